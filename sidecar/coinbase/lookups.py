"""Single questions to Coinbase over REST: of the market, of orders, of the key.

`at` of an answer is when it was asked for. The readings that together make up the whole account are those of
`account_reader`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from sidecar.coinbase import key_rows, market_rows, order_rows, position_rows, refusals
from sidecar.coinbase.frames import is_ours
from sidecar.coinbase.gathering import both_gathered
from sidecar.coinbase.reading import WORDS_MAX, read_each, rfc3339, table, tables, text
from sidecar.coinbase.rest import Refused, Rest
from sidecar.core.liquidation.attempts import LACKS_FUNDS
from sidecar.core.value_at_risk.history import CANDLES_A_CALL, Span
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import plain
from sidecar.core.vocabulary.products import Product, product_from_coinbase

ORDERS_A_PAGE: Final = 250
NAMED_A_CALL: Final = 50  # ids in one query: some two kilobytes of address
DEPTH_LEVELS: Final = 500  # of each side of a book: some forty kilobytes
SOURCES: Final = ("RETAIL_ADVANCED", "RETAIL_SIMPLE")
KINDS: Final = ("SPOT", "FUTURE")
GRANULARITIES: Final = {3_600: "ONE_HOUR", 21_600: "SIX_HOUR", 86_400: "ONE_DAY"}  # by seconds


class Lookups:
    """Asks. A row that cannot be read is left out and told to `complain`, in words."""

    def __init__(
        self, rest: Rest, now: Callable[[], datetime], complain: Callable[[str], None]
    ) -> None:
        """`now`: the market clock."""
        self._rest = rest
        self._now = now
        self._complain = complain

    async def products(self) -> ev.ProductsListed:
        """Every product, spot and futures, with this key's right to trade it. Raises CallFailed."""
        at = self._now()
        listed: list[Product] = []
        for kind in KINDS:
            query: dict[str, Any] = {"product_type": kind, "get_tradability_status": "true"}
            answer = await self._rest.get("/products", query)
            listed += self._read(product_from_coinbase, tables(answer.get("products"), "products"))
        return ev.ProductsListed(at=at, products=tuple(listed))

    async def product(self, product_id: str) -> ev.ProductsListed | ev.ProductElsewhere:
        """One product that a fact named and no listing held; or why it is not counted here. Raises CallFailed."""
        at = self._now()
        path = f"/products/{quote(product_id, safe='')}"
        try:
            row = await self._rest.get(path, {"get_tradability_status": "true"})
        except Refused as error:
            if refusals.is_of_no_product(error):
                return ev.ProductElsewhere(at=at, product_id=product_id, why="Coinbase lists none")
            raise
        if not is_ours(row):
            return market_rows.product_elsewhere(row, product_id, at)
        listed = tuple(self._read(product_from_coinbase, [row]))
        if not listed:
            why = "Coinbase's row of it cannot be read"
            return ev.ProductElsewhere(at=at, product_id=product_id, why=why)
        return ev.ProductsListed(at=at, products=listed)

    async def quotes(
        self, product_ids: tuple[str, ...], *, urgent: bool = False
    ) -> tuple[ev.Quote, ...]:
        """Best bid and ask of these books, as of when the read began. Raises CallFailed."""
        at = self._now()
        query = {"product_ids": list(product_ids)}
        answer = await self._rest.get("/best_bid_ask", query, urgent=urgent)
        left_out: list[str] = []
        found = market_rows.quotes(tables(answer.get("pricebooks"), "pricebooks"), at, left_out)
        for fault in left_out:
            self._complain(fault)
        return found

    async def depth(self, product_id: str) -> ev.Depth:
        """This book's levels, as of when the read began. Raises CallFailed, and Untrusted."""
        at = self._now()
        query: dict[str, str | int] = {"product_id": product_id, "limit": DEPTH_LEVELS}
        answer = await self._rest.get("/product_book", query)
        book = market_rows.product_book(answer, product_id)
        return ev.Depth(product_id, *both_gathered(book), at)

    async def closes(self, span: Span, period_s: int) -> ev.ClosesRead:
        """A book's closes of `CANDLES_A_CALL` periods at most, each of `period_s` seconds (one
        of `GRANULARITIES`), as of when the read began.

        Candles that cannot be read are left out. Raises CallFailed, and Untrusted where none can be:
        that is not known, and no time without trades.
        """
        at = self._now()
        query: dict[str, str | int] = {
            "start": str(span.since),
            # Coinbase does not say whether a candle that opens at `end` is told: at the second
            # before, none does.
            "end": str(span.until - 1),
            "granularity": GRANULARITIES[period_s],
            "limit": CANDLES_A_CALL,
        }
        answer = await self._rest.get(f"/products/{quote(span.book, safe='')}/candles", query)
        if "candles" not in answer:
            raise Untrusted(f"{span.book}: the answer has no candles")
        told, left_out = tables(answer["candles"], "candles"), list[str]()
        found = market_rows.closes(told, left_out)
        if left_out:
            fault = f"{span.book}: {len(left_out)} of {len(told)} candles cannot be read"
            fault += f", the first because {left_out[0]}"
            if not found:
                raise Untrusted(fault)
            self._complain(fault)
        return ev.ClosesRead(
            at=at,
            book=span.book,
            period_s=period_s,
            since=span.since,
            until=span.until,
            closes=tuple(one for one in found if span.since <= one[0] < span.until),
        )

    async def server_time(self, *, once: bool = False) -> datetime:
        """Coinbase's clock. `once`: a failure is not tried again. Raises CallFailed, and Untrusted."""
        answer = await self._rest.get("/time", once=once)
        return market_rows.server_time(answer)

    async def order(self, order_id: str) -> ev.OrderReported | None:
        """An order by its id; None where there is none, by Coinbase's word or a proxy's, or
        Coinbase calls the id wrong: an order that no listing has needs no other witness. Tried
        once: who asks asks again. Raises CallFailed, and Untrusted.
        """
        at = self._now()
        try:
            answer = await self._rest.get(
                f"/orders/historical/{quote(order_id, safe='')}", once=True
            )
        except Refused as error:
            if refusals.is_of_no_order(error):
                return None
            raise
        return order_rows.order_report(table(answer.get("order"), "order"), at)

    async def named_orders(self, order_ids: Iterable[str]) -> list[ev.OrderReported]:
        """These orders as they are now, ended ones too. Raises CallFailed."""
        wanted, found = tuple(order_ids), dict[str, ev.OrderReported]()
        for first in range(0, len(wanted), NAMED_A_CALL):
            some = list(wanted[first : first + NAMED_A_CALL])
            for report in await self._orders({"order_ids": some}):
                found[report.order_id] = report
        return list(found.values())

    async def recent_orders(
        self, since: datetime, product_id: str | None = None
    ) -> list[ev.OrderReported]:
        """Every order created since a moment, in every status; of one product if named. Raises
        CallFailed.
        """
        products = {} if product_id is None else {"product_ids": [product_id]}
        return await self._orders({"start_date": rfc3339(since), **products})

    async def _orders(self, wanted: Mapping[str, str | list[str]]) -> list[ev.OrderReported]:
        """A listing of every status, of both placement sources."""
        at, found = self._now(), dict[str, ev.OrderReported]()
        for source in SOURCES:
            query = {**wanted, "order_placement_source": source, "limit": ORDERS_A_PAGE}
            async for row in self._rest.pages(
                "/orders/historical/batch", "orders", query, self._complain
            ):
                known = [row] if is_ours(row) else []
                for report in self._read(lambda one: order_rows.order_report(one, at), known):
                    found[report.order_id] = report
        return list(found.values())

    async def sale_refusal(self, product_id: str, size: Decimal) -> str:
        """Why Coinbase would not take this sale at the market; empty where it would, or cannot tell: funds that
        open orders bind are no reason. Sends no order. Raises CallFailed.
        """
        body = {
            "product_id": product_id,
            "side": "SELL",
            "order_configuration": {"market_market_ioc": {"base_size": plain(size)}},
        }
        try:
            answer = await self._rest.post("/orders/preview", body)
        except Refused as error:
            return error.words
        said = answer.get("errs")
        reasons = [str(one)[:WORDS_MAX] for one in said] if isinstance(said, list) else []
        return ", ".join(one for one in reasons if LACKS_FUNDS not in one)[:WORDS_MAX]

    async def permissions(self) -> key_rows.KeyPermissions:
        """The key's permissions. Raises CallFailed."""
        return key_rows.key_permissions(await self._rest.get("/key_permissions"))

    async def portfolio_name(self, portfolio: str) -> str:
        """The name that its owner gave a portfolio; "" where it has none. Raises CallFailed, and Untrusted."""
        answer = await self._rest.get(f"/portfolios/{quote(portfolio, safe='')}", once=True)
        row = table(table(answer.get("breakdown"), "breakdown").get("portfolio"), "portfolio")
        return text(row.get("name"), "the portfolio's name")

    async def fees(self) -> ev.FeesRead:
        """The account's fee tier, asked for once: there is a default. Raises CallFailed, and Untrusted."""
        at = self._now()
        return key_rows.fees(await self._rest.get("/transaction_summary", once=True), at)

    async def elsewhere(self) -> ev.ElsewhereRead:
        """The holdings of the key's portfolio in venues that are not counted here. Raises
        CallFailed, and Untrusted.
        """
        at, key = self._now(), await self.permissions()
        answer = await self._rest.get(f"/portfolios/{quote(key.portfolio, safe='')}")
        return position_rows.elsewhere(table(answer.get("breakdown"), "breakdown"), at)

    def _read(self, reader: Callable[[Any], Any], rows: Iterable[Any]) -> list[Any]:
        """Each row that can be read; the others are complained of, by name."""
        left_out: list[str] = []
        found = read_each(reader, rows, left_out)
        for fault in left_out:
            self._complain(fault)
        return found
