"""The account, read over REST: at the start, after every gap, and at a slow period.

The order of reading matters. Orders before fills, fills before balances: so each later read already
holds the facts of the earlier one, and no fact counts twice or falls between. `at` of each fact is
when its read began: later facts may be missing without meaning.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from msgspec import structs

from sidecar import clock
from sidecar.coinbase import key_rows, market_rows, order_rows, position_rows, wallet_rows
from sidecar.coinbase.frames import is_ours
from sidecar.coinbase.futures_reader import FuturesReader
from sidecar.coinbase.lookups import ORDERS_A_PAGE, SOURCES
from sidecar.coinbase.patience import Patience
from sidecar.coinbase.reading import NAME_MAX, TEXT_MAX, read_each, rfc3339, table
from sidecar.coinbase.rest import CallFailed, Query, Refused, Rest, TokenRefused
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted

ACCOUNTS_A_PAGE: Final = 250
FILLS_A_PAGE: Final = 1_000
# The OPEN filter hides the others, and the default placement source the simple app's orders.
# In the order of an order's life, and OPEN again, for an edit returns to it: one that moves on between
# two reads is then in the later one.
WORKING: Final = ("PENDING", "QUEUED", "OPEN", "EDIT_QUEUED", "CANCEL_QUEUED", "OPEN")
NAMED_MAX: Final = 1_000  # products that are not ours, in a process
MISSING_MAX: Final = 10  # wallets asked for singly in a reading: more are no slip of a listing
ENTRIES_AGAIN_S: Final = 60.0  # entry prices could not be had
OVERLAP: Final = timedelta(minutes=1)  # fills are listed a moment after they happen; twice is once


class AccountReader:
    """Reads facts. A row that cannot be read is left out and told to `complain`, in words."""

    def __init__(
        self,
        rest: Rest,
        now: Callable[[], datetime],
        complain: Callable[[str], None],
        *,
        asks_for_futures: bool = True,
        shows_futures: Callable[[], bool] = lambda: False,
    ) -> None:
        """`now`: the market clock. `asks_for_futures` and `shows_futures`: see FuturesReader."""
        self._rest = rest
        self._now = now
        self._complain = complain
        self._futures_reader = FuturesReader(rest, now, asks=asks_for_futures, shows=shows_futures)
        self._wallets: frozenset[str] = (
            frozenset()
        )  # ids of the wallets with a balance at the last reading
        self._unread_fills, self._cut_fills = Patience(), Patience()
        self._cut_orders, self._cut_wallets = Patience(), Patience()
        self._named: set[str] = set()  # products that are not ours
        self._entries: dict[str, Any] | None = None  # read once: own fills say better afterwards
        self._entries_at = float("-inf")  # wall seconds from which on they may be asked for

    async def account(
        self, since: datetime | None, *, essentials_suffice: bool = False
    ) -> AsyncIterator[ev.Event]:
        """The whole account: working orders, fills since a moment, futures, balances.

        Ends with AccountReconciled. Raises CallFailed when a part cannot be had, and Untrusted when
        balances or positions cannot be read, or, at the end, where an order or a fill could not be:
        then the account is not reconciled, in spite of the facts handed over before.

        Where `essentials_suffice`, only orders and balances must be had. Another part that cannot
        be had is left out like an order that cannot be read.
        """
        began_at, left_out, failed = self._now(), list[str](), list[str]()
        tolerated = failed if essentials_suffice else None
        async for event in self.orders(left_out):
            yield event
        until = self._now()
        async for fill in _until_they_fail(self._fills(since, left_out, failed), tolerated):
            yield fill
        all_until = None if failed else until  # without the fills that cannot be said
        async for event in _until_they_fail(self._futures(all_until), tolerated):
            yield event
        if not essentials_suffice:
            await self._learn_entry_prices()
        balances, cut = await self._balances(all_until)
        if since is None:  # the books would open with a part of the wallets
            left_out += _waits_for_more(self._cut_wallets, cut)
        yield balances
        left_out += failed
        if left_out:
            first, *others = dict.fromkeys(left_out)  # a listing may tell an order twice
            more = f", and {len(others)} more" if others else ""
            raise Untrusted(f"not everything can be read: {first}{more}")
        yield ev.AccountReconciled(at=self._now(), fills_until=until, began_at=began_at)

    async def orders(self, left_out: list[str] | None = None) -> AsyncIterator[ev.Event]:
        """Every working order, then the listing that says whether there are others: it names those that
        cannot be read too. `left_out` is told of these, and of a listing that ended too early.
        """
        began_at, cut = self._now(), list[str]()
        seen: dict[str, None] = {}
        for source in SOURCES:
            for status in WORKING:
                query: dict[str, Any] = {
                    "order_status": status,
                    "order_placement_source": source,
                    "limit": ORDERS_A_PAGE,
                }
                async for row in self._pages("/orders/historical/batch", "orders", query, cut):
                    if not is_ours(row):
                        for event in self._foreign(row, began_at):
                            yield event
                        continue
                    order_id = row.get("order_id")
                    if isinstance(order_id, str) and 0 < len(order_id) <= TEXT_MAX:
                        seen[order_id] = None
                    read = self._read(
                        lambda one: order_rows.order_report(one, began_at), [row], left_out
                    )
                    for report in read:
                        yield report
        waits = _waits_for_more(self._cut_orders, cut)
        if left_out is not None:
            left_out += waits
        yield ev.OpenOrdersListed(
            at=began_at, order_ids=tuple(seen), began_at=began_at, is_complete=not waits
        )

    async def _fills(
        self, since: datetime | None, left_out: list[str], failed: list[str]
    ) -> AsyncIterator[ev.Event]:
        """Fills since a moment, oldest first; none without one: a start counts from its balances. A
        fill that cannot be read is waited for, and then passed over: the window passes the rows
        looked at. So are the rows that a listing lacks since it was cut short; while they are
        waited for, `failed` is told.
        """
        if since is None:
            return
        at = self._now()
        query: dict[str, Any] = {
            "start_sequence_timestamp": rfc3339(since - OVERLAP),
            "limit": FILLS_A_PAGE,
        }
        cut: list[str] = []
        newest_first = [
            row async for row in self._pages("/orders/historical/fills", "fills", query, cut)
        ]
        for row in reversed(newest_first):
            if not is_ours(row):
                for event in self._foreign(row, at):
                    yield event
                continue
            unread: list[str] = []
            for fill in self._read(lambda one: order_rows.fill_report(one, at), [row], unread):
                if not order_rows.is_empty(fill):
                    yield fill
            for over in _waited_for(self._unread_fills, unread, left_out, at):
                yield over
        for over in _waited_for(self._cut_fills, cut, failed, at):
            yield over
        if not cut:
            self._cut_fills.keep(set())

    def _foreign(self, row: Mapping[str, Any], at: datetime) -> list[ev.ProductElsewhere]:
        """The product of a row that is not ours, the first time that it is met."""
        product_id = str(row.get("product_id"))[:NAME_MAX]
        if product_id in self._named or len(self._named) >= NAMED_MAX:
            return []
        self._named.add(product_id)
        return [market_rows.product_elsewhere(row, product_id, at)]

    async def _futures(self, fills_until: datetime | None) -> AsyncIterator[ev.Event]:
        """Raises CallFailed, and Untrusted, where no reading of the account is whole without them."""
        facts, failure = await self._futures_reader.read(fills_until)
        for fact in facts:
            yield fact
        if failure is not None:
            raise failure

    async def _balances(self, fills_until: datetime | None) -> tuple[ev.BalancesRead, list[str]]:
        """And why there are more wallets than were listed, where there are."""
        at = self._now()
        query, cut = {"limit": ACCOUNTS_A_PAGE}, list[str]()
        accounts = [row async for row in self._pages("/accounts", "accounts", query, cut)]
        listed = {str(row.get("uuid")) for row in accounts}
        accounts += await self._missing_wallets(listed)
        # Those that a listing lacks since it was cut short are asked for by their ids the next time too.
        self._wallets = wallet_rows.wallet_ids(accounts) | (self._wallets if cut else frozenset())
        left_out: list[str] = []
        read = wallet_rows.balances(accounts, at, fills_until, self._entries or {}, left_out)
        for fault in dict.fromkeys(left_out):
            self._complain(fault)
        return (structs.replace(read, is_complete=False) if cut else read), cut

    async def _missing_wallets(self, listed: set[str]) -> list[Any]:
        """Wallets that had a balance and are in no listing any more, asked for by their ids. Of one
        that is gone, or whose row cannot be had, there is none: a second complete listing without
        it is the last word. Raises TokenRefused.
        """
        found = []
        for wallet_id in sorted(self._wallets - listed)[:MISSING_MAX]:
            try:
                answer = await self._rest.get(f"/accounts/{quote(wallet_id, safe='')}")
                if account := table(answer.get("account"), "account"):
                    found.append(account)
            except TokenRefused:
                raise
            except (CallFailed, Untrusted) as fault:
                self._complain(f"a wallet that is not listed any more: {fault}")
        return found

    async def _learn_entry_prices(self) -> None:
        """Once. They are for display: where they cannot be had, they are asked for again later, and
        no reading waits for them.
        """
        if self._entries is not None or clock.wall() < self._entries_at:
            return
        try:
            self._entries = await self._entry_prices()
        except Refused:
            self._entries = {}
        except (CallFailed, Untrusted) as fault:
            self._entries_at = clock.wall() + ENTRIES_AGAIN_S
            self._complain(f"entry prices, which are for display, cannot be had yet: {fault}")

    async def _entry_prices(self) -> dict[str, Any]:
        """Coinbase's entry prices, in the key's own portfolio. Raises CallFailed, and Untrusted."""
        own = key_rows.key_permissions(
            await self._rest.get("/key_permissions", once=True)
        ).portfolio
        if not own:
            return {}
        breakdown = await self._rest.get(f"/portfolios/{quote(own, safe='')}", once=True)
        return position_rows.entry_prices(table(breakdown.get("breakdown"), "breakdown"))

    def _pages(
        self, path: str, name: str, query: Query, cut: list[str] | None = None
    ) -> AsyncIterator[Any]:
        """Rows of a listing. `cut` is told where it was cut short."""

        def cut_short(fault: str) -> None:
            self._complain(fault)
            if cut is not None:
                cut.append(fault)

        return self._rest.pages(path, name, query, cut_short)

    def _read(
        self, reader: Callable[[Any], Any], given: Any, left_out: list[str] | None = None
    ) -> list[Any]:
        """Each row that can be read; the others are complained of, by name."""
        faults: list[str] = []
        found = read_each(reader, given, faults)
        for fault in faults:
            self._complain(fault)
        if left_out is not None:
            left_out += faults
        return found


def _waited_for(
    patience: Patience, faults: Iterable[str], waiting: list[str], at: datetime
) -> list[ev.FillPassedOver]:
    """`waiting` takes the faults waited for; one waited for no longer is passed over, which is said
    once.
    """
    given_up = []
    for fault in faults:
        step = patience.look(fault, clock.wall())
        if step == "wait":
            waiting.append(fault)
        elif step == "give up":
            given_up.append(ev.FillPassedOver(at=at, words=fault))
    return given_up


def _waits_for_more(patience: Patience, cut: Iterable[str]) -> list[str]:
    """Listings that ended too early, as long as they are waited for; then the rows told are taken
    for all.
    """
    faults = dict.fromkeys(cut)
    patience.keep(set(faults))
    return [fault for fault in faults if patience.look(fault, clock.wall()) == "wait"]


async def _until_they_fail(
    facts: AsyncIterator[ev.Event], failed: list[str] | None
) -> AsyncIterator[ev.Event]:
    """Facts as far as they can be had; `failed`, where it is given, is told why no further."""
    try:
        async for fact in facts:
            yield fact
    except (CallFailed, Untrusted) as fault:
        if failed is None:
            raise
        failed.append(str(fault))
