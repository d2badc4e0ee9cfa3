"""The thin spine: feeds and picture over real sockets into a RiskManager, which comes up and judges."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from sidecar.coinbase import order_rows, position_rows
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import Orders, Tickers, quotes_of
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import TRIES, CallFailed, Refused, Rest, Unknown
from sidecar.coinbase.session import Gap, Live, Lost, Parsed, Session
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.products import product_from_coinbase
from tests.fault.paper_client import trading

WITHIN_S = 60.0
SIGNALS: dict[object, ev.FeedSignal] = {Live: "connected", Gap: "gap", Lost: "lost"}


def rest_of(trader):
    """Calls as this exchange takes them: it limits nobody."""
    key = load_key(trader.paper.key_file)
    return Rest(trader.paper.urls["rest_url"], key, budget=Budget(per_second=1000))


def facts(said):
    match said:
        case Tickers(at, rows):
            return [ev.Quotes(at=at, quotes=quotes_of(rows))]
        case Orders():
            return said.reports
    return [said]


class Spine:
    """What a daemon will be: facts in, and the two wishes that a start needs carried out."""

    def __init__(self, trader, rest):
        self.now = trader.paper.world.now
        self.complaints: list[str] = []
        self.picture = AccountReader(rest, self.now, self.complaints.append)
        self.lookups = Lookups(rest, self.now, self.complaints.append)
        self.manager = RiskManager(
            Limits(max_order_notional=5000),
            PositionTracker(),
            clock=self.now,
            settings=Settings(connected=True),
        )
        self.changed = asyncio.Event()
        self.wanted = asyncio.Event()
        self.unconfirmed: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    def handle(self, event):
        for action in self.manager.handle(event):
            if isinstance(action, ac.Reconcile):
                self.wanted.set()
            elif isinstance(action, ac.ConfirmQuotes):
                self.unconfirmed.put_nowait(action.product_ids)
        self.changed.set()

    def receiver(self, feed):
        def hand_over(steps):
            for step in steps:
                if isinstance(step, Parsed):
                    for event in facts(step.said):
                        self.handle(event)
                elif type(step) in SIGNALS:
                    self.handle(
                        ev.FeedChanged(at=self.now(), feed=feed, signal=SIGNALS[type(step)])
                    )

        return hand_over

    async def reconcile(self):
        """Whenever the core asks."""
        self.handle(await self.lookups.products())
        since = None
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            began = self.now()
            async for event in self.picture.account(since):
                self.handle(event)
            since = since or began

    async def confirm(self):
        """REST's prices, whenever the core asks for them."""
        while True:
            quotes = await self.lookups.quotes(await self.unconfirmed.get(), urgent=True)
            self.handle(ev.QuotesConfirmed(at=self.now(), quotes=quotes))

    def held(self, key):
        return self.manager.tracker.account.lines[key].position.quantity

    async def until(self, look):
        async with asyncio.timeout(WITHIN_S):
            while not look():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def spine(trader):
    async with AsyncExitStack() as stack:
        rest = rest_of(trader)
        stack.push_async_callback(rest.close)
        made = Spine(trader, rest)
        products = ("BTC-USD", "ETH-USD")
        feeds = [
            Feed(
                Session(channels, products),
                [trader.paper.urls["ws_url"]],
                load_key(trader.paper.key_file),
                made.receiver(name),
                now=made.now,
            )
            for name, channels in {
                "user": ("heartbeats", "user"),
                "market": ("heartbeats", "ticker"),
            }.items()
        ]
        tasks = [
            asyncio.get_running_loop().create_task(work)
            for work in (made.reconcile(), made.confirm(), *(feed.run() for feed in feeds))
        ]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def trader(tmp_path):
    balances = {"USD": "100000", "BTC": "0.5", "ETH": "3"}
    async with trading(tmp_path, speed=5, balances=balances) as made:
        yield made


def whole(made):
    """Both feeds are live, and each book has told a price since."""
    feeds, quotes = made.manager.feeds, made.manager.tracker.marks.quotes
    if feeds.user != "live" or feeds.market != "live":
        return False
    return all(
        book in quotes and quotes[book].at >= feeds.market_whole_since
        for book in ("BTC-USD", "ETH-USD")
    )


def ready(made):
    return lambda: made.manager.state.account == "ACTIVE" and whole(made)


async def test_it_comes_up_with_the_exchanges_own_positions_and_judges(trader):
    await trader.place(trader.limit("SELL", "0.1", "99000"))
    async with spine(trader) as made:
        assert made.manager.state.account == "STARTING"
        await made.until(ready(made))
        assert {key: made.held(key) for key in ("BTC", "ETH")} == {"BTC": Decimal("0.5"), "ETH": 3}
        selling = trader.market("SELL", "0.45")  # with the one at rest, more than is held
        assert "INSUFFICIENT_FUNDS" in made.manager.validate_order(selling).codes
        small = made.manager.validate_order(trader.limit("BUY", "0.01", "60000"))
        large = made.manager.validate_order(trader.limit("BUY", "1", "60000"))
        assert (small.approved, large.codes) == (True, ("MAX_ORDER_NOTIONAL",))
        assert made.complaints == []


async def test_fills_reach_the_books_as_the_exchange_has_them(trader):
    async with spine(trader) as made:
        await made.until(ready(made))
        await trader.place(trader.market("BUY", "0.02"))
        exchange = trader.paper.world.exchange
        await made.until(lambda: made.held("BTC") == Decimal("0.52"))
        assert made.held("BTC") == exchange.accounts.wallet("BTC").total


@pytest.mark.parametrize(
    "fault", [{"close_code": 1006}, {"drop_frames": 1, "frames_channel": "user"}]
)
async def test_after_a_break_the_picture_heals_by_itself(trader, fault):
    async with spine(trader) as made:
        await made.until(ready(made))
        trader.paper.world.set_faults(fault)
        await trader.place(trader.market("BUY", "0.02"))
        await trader.place(trader.market("BUY", "0.03"))
        await made.until(lambda: made.held("BTC") == Decimal("0.55"))
        await made.until(lambda: whole(made))
        assert made.manager.validate_order(trader.limit("BUY", "0.01", "60000")).approved


async def test_a_part_that_cannot_be_read_reconciles_nothing(trader, monkeypatch):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)  # between its tries
    rest = rest_of(trader)
    picture = AccountReader(rest, trader.paper.world.now, lambda text: None)
    trader.paper.world.set_faults(server_errors=10_000)
    with pytest.raises(Unknown, match="HTTP 503"):
        [event async for event in picture.account(None)]
    await rest.close()


async def test_a_refused_key_does_not_take_the_futures_away(trader, monkeypatch):
    monkeypatch.setattr("sidecar.coinbase.rest.wait_s", lambda *_: 0)  # between its tries
    rest = rest_of(trader)
    shown = [False]
    picture = AccountReader(
        rest, trader.paper.world.now, lambda text: None, shows_futures=lambda: shown[0]
    )
    for shown[0] in (False, True):
        trader.paper.world.set_faults(expire_tokens=TRIES)
        facts = picture._futures(trader.paper.world.now())
        assert type(await anext(facts)) is ev.FuturesUnread
        with pytest.raises(Refused if shown[0] else StopAsyncIteration):
            await anext(facts)
    kinds = [type(event).__name__ async for event in picture.account(None)]
    await rest.close()
    assert "FuturesRead" in kinds


async def test_an_order_that_moves_on_between_two_reads_is_in_one_of_them(tmp_path):
    async with trading(tmp_path, order_delay_s="0.3") as trader:
        await trader.place(trader.limit("BUY", "0.1", "100"))
        rest = rest_of(trader)
        picture = AccountReader(rest, trader.paper.world.now, lambda text: None)
        events = [event async for event in picture.orders()]
        await rest.close()
        (listed,) = [event for event in events if isinstance(event, ev.OpenOrdersListed)]
        assert set(listed.order_ids) == set(trader.paper.world.exchange.register.open)


async def test_an_account_without_futures_has_none_and_is_whole(tmp_path):
    async with trading(tmp_path, futures=False) as trader:
        rest = rest_of(trader)
        picture = AccountReader(rest, trader.paper.world.now, lambda text: None)
        kinds = [type(event).__name__ async for event in picture.account(None)]
        await rest.close()
    assert kinds == ["OpenOrdersListed", "FuturesAbsent", "BalancesRead", "AccountReconciled"]


def answering(monkeypatch, reading, *answers):
    """What GET /cfm/balance_summary comes to, one after the other; an exception is raised."""
    real, left = reading.rest.get, list(answers)

    async def get(asked, *given, **options):
        if asked != "/cfm/balance_summary":
            return await real(asked, *given, **options)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(reading.rest, "get", get)


CFM = "GET /cfm/balance_summary"
UNTOLD = {
    "a page of a proxy's": Refused(CFM, 403, "HTTP 403: <html>"),
    "no such page": Refused(CFM, 404, "HTTP 404: not found"),
    "the key's scopes": Refused(CFM, 403, "HTTP 403: Missing required scopes", is_worded=True),
    "a wrong request": Refused(CFM, 400, "HTTP 400: INVALID_ARGUMENT", is_worded=True),
    "a gateway's word": Refused(CFM, 403, "HTTP 403: Forbidden", is_worded=True),
    "an address": Refused(CFM, 403, "HTTP 403: IP address not allowed", is_worded=True),
    "no such route": Refused(CFM, 404, "HTTP 404: Not Found", is_worded=True),
    "no such route, named": Refused(
        CFM, 404, "HTTP 404: no route for /api/v3/brokerage/cfm/balance_summary", is_worded=True
    ),
    "a failing server": Unknown(CFM, 502, "HTTP 502"),
    "another form": {"summary": {}},
    "no figure": {"balance_summary": {"cfm_usd_balance": "a lot"}},
}


@pytest.mark.parametrize("answer", UNTOLD.values(), ids=UNTOLD)
async def test_what_says_nothing_of_futures_does_not_say_that_there_are_none(
    reading, monkeypatch, answer
):
    """Nothing waits for it while nothing is known of any; the next reading asks again."""
    real = await reading.rest.get("/cfm/balance_summary")
    answering(monkeypatch, reading, answer, real)
    await reading.account()
    (untold,) = reading.told(ev.FuturesUnread)
    assert untold.reason
    assert len(reading.told(ev.AccountReconciled)) == 1
    await reading.account()
    assert len(reading.told(ev.FuturesRead)) == 1


@pytest.mark.parametrize("answer", UNTOLD.values(), ids=UNTOLD)
async def test_where_futures_are_known_of_nothing_is_reconciled_without_them(
    reading, monkeypatch, answer
):
    reading.shows_futures = True
    answering(monkeypatch, reading, answer)
    with pytest.raises((CallFailed, Untrusted)):
        await reading.account()
    assert reading.told(ev.FuturesUnread)
    assert reading.told(ev.BalancesRead) == []


NONE = [
    Refused(CFM, 404, "HTTP 404: futures account not found", is_worded=True),
    Refused(CFM, 403, "HTTP 403: user is not onboarded", is_worded=True),
    Refused(CFM, 403, "HTTP 403: No FCM account", is_worded=True),
    {"balance_summary": None},
]


@pytest.mark.parametrize("answer", NONE)
async def test_coinbase_s_own_word_that_there_are_none_is_asked_for_again_slowly(
    reading, monkeypatch, answer
):
    real, passed = await reading.rest.get("/cfm/balance_summary"), [0.0]
    monkeypatch.setattr("sidecar.coinbase.account_reader.clock.wall", lambda: passed[0])
    answering(monkeypatch, reading, answer, real)
    await reading.account()
    await reading.account()
    assert len(reading.told(ev.FuturesAbsent)) == 2
    assert reading.told(ev.FuturesUnread) == []
    passed[0] = 601.0
    await reading.account()
    assert len(reading.told(ev.FuturesRead)) == 1


@pytest.mark.parametrize("answer", NONE)
async def test_contracts_that_are_known_of_are_not_taken_back_by_a_word(
    reading, monkeypatch, answer
):
    reading.shows_futures = True
    answering(monkeypatch, reading, answer)
    with pytest.raises((CallFailed, Untrusted)):
        await reading.account()
    assert reading.told(ev.FuturesAbsent) == []


async def test_by_the_configuration_there_are_none_unless_some_are_seen(reading):
    reading.picture = AccountReader(
        reading.rest,
        reading.now,
        reading.complaints.append,
        asks_for_futures=False,
        shows_futures=lambda: reading.shows_futures,
    )
    await reading.account()
    assert len(reading.told(ev.FuturesAbsent)) == 1
    reading.shows_futures = True
    await reading.account()
    assert len(reading.told(ev.FuturesRead)) == 1


# ------------------------------------------------------------------------- rows that cannot be read


class Reading:
    """A picture by itself, what it hands over and what it complains of."""

    def __init__(self, trader):
        self.rest = rest_of(trader)
        self.complaints: list[str] = []
        self.now = trader.paper.world.now
        self.shows_futures = False
        self.picture = AccountReader(
            self.rest,
            self.now,
            self.complaints.append,
            shows_futures=lambda: self.shows_futures,
        )
        self.lookups = Lookups(self.rest, self.now, self.complaints.append)
        self.facts: list[ev.Event] = []

    async def account(self, **options):
        await self._take(self.picture.account(self.now() - timedelta(minutes=5), **options))

    async def opening(self):
        await self._take(self.picture.account(None))

    async def _take(self, facts):
        async for fact in facts:
            self.facts.append(fact)

    def told(self, kind):
        return [fact for fact in self.facts if isinstance(fact, kind)]


@pytest.fixture
async def reading(trader):
    made = Reading(trader)
    yield made
    await made.rest.close()


def spoil(monkeypatch, name, field):
    """The reader of these rows finds that this field is no number."""
    real = getattr(order_rows, name)
    monkeypatch.setattr(order_rows, name, lambda row, at: real({**row, field: "many"}, at))


async def test_an_open_order_that_cannot_be_read_reconciles_nothing_and_is_no_order_that_ended(
    trader, reading, monkeypatch
):
    order_id = await trader.place(trader.limit("BUY", "0.1", "100"))
    spoil(monkeypatch, "order_report", "filled_size")
    why = f"not everything can be read: order {order_id}: filled_size is not a number$"
    with pytest.raises(Untrusted, match=why):
        await reading.account()
    (listing,) = reading.told(ev.OpenOrdersListed)
    assert listing.order_ids == (order_id,)
    assert reading.told(ev.BalancesRead)
    assert reading.told(ev.AccountReconciled) == []


async def test_a_fill_that_cannot_be_read_reconciles_nothing_and_is_named(
    trader, reading, monkeypatch
):
    await trader.place(trader.market("BUY", "0.1"))
    spoil(monkeypatch, "fill_report", "size")
    with pytest.raises(Untrusted, match=r"can be read: fill [\w-]+: size is not a number"):
        await reading.account()
    assert reading.told(ev.AccountReconciled) == []


async def test_a_fill_that_cannot_be_read_three_times_over_thirty_seconds_is_passed_over(
    trader, reading, monkeypatch
):
    """And the window of fills with it: the next reading begins behind."""
    passed = [0.0]
    monkeypatch.setattr("sidecar.coinbase.account_reader.clock.wall", lambda: passed[0])
    await trader.place(trader.market("BUY", "0.1"))
    spoil(monkeypatch, "fill_report", "size")
    for passed[0] in (0.0, 10.0, 29.0):
        with pytest.raises(Untrusted):
            await reading.account()
    assert reading.told(ev.FillPassedOver) == []
    for passed[0] in (30.0, 31.0):
        await reading.account()
    (over,) = reading.told(ev.FillPassedOver)
    assert over.words.endswith("size is not a number")
    assert len(reading.told(ev.AccountReconciled)) == 2


async def test_a_product_that_is_not_ours_or_gone_or_unreadable_is_elsewhere(
    trader, reading, monkeypatch
):
    trader.paper.world.set_faults(foreign_rows=True)
    told = [await reading.lookups.product(name) for name in ("AAPL-USD", "GONE-USD", "BTC-USD")]
    assert [type(one) for one in told] == [ev.ProductElsewhere, ev.ProductElsewhere, ev.ProductsListed]  # fmt: skip
    assert "EQUITY" in told[0].why

    def unreadable(_row):
        raise Untrusted("product BTC-USD: base_increment is not a number")

    monkeypatch.setattr("sidecar.coinbase.lookups.product_from_coinbase", unreadable)
    assert type(await reading.lookups.product("BTC-USD")) is ev.ProductElsewhere
    page = Refused("GET /products/BTC-USD", 404, "HTTP 404: <html>")

    async def get(*_given, **_options):
        raise page

    monkeypatch.setattr(reading.rest, "get", get)
    with pytest.raises(Refused):
        await reading.lookups.product("BTC-USD")


async def test_a_product_that_cannot_be_read_is_in_nobody_s_way(reading, monkeypatch):
    real = product_from_coinbase

    def read(row):
        if row["product_id"] == "ETH-USD":
            raise Untrusted("product ETH-USD: base_increment is not a number")
        return real(row)

    monkeypatch.setattr("sidecar.coinbase.lookups.product_from_coinbase", read)
    products = await reading.lookups.products()
    assert "ETH-USD" not in {product.product_id for product in products.products}
    assert reading.complaints == ["product ETH-USD: base_increment is not a number"]
    await reading.account()
    assert reading.told(ev.AccountReconciled)


async def test_what_another_reads_meanwhile_is_not_the_account_s(trader, reading, monkeypatch):
    await trader.place(trader.market("BUY", "0.1"))
    spoil(monkeypatch, "order_report", "filled_size")
    facts = reading.picture.account(None)
    await anext(facts)
    assert await reading.lookups.recent_orders(reading.now() - timedelta(minutes=5)) == []
    assert len(reading.complaints) == 1
    assert [type(fact) for fact in [fact async for fact in facts]][-1] is ev.AccountReconciled


async def test_a_reading_says_when_its_listing_of_orders_began(reading):
    await reading.account()
    (listing,) = reading.told(ev.OpenOrdersListed)
    (reconciled,) = reading.told(ev.AccountReconciled)
    assert reconciled.began_at <= listing.began_at < reconciled.fills_until


# ------------------------------------------------------------------------ where essentials suffice


def fail(monkeypatch, reading, path):
    """Coinbase fails to answer here, and nowhere else."""
    real = reading.rest.get

    async def get(asked, *given, **options):
        if asked == path:
            raise Unknown(f"GET {path}", 503, "HTTP 503")
        return await real(asked, *given, **options)

    monkeypatch.setattr(reading.rest, "get", get)


FILLS = "/orders/historical/fills"
ORDERS = "/orders/historical/batch"


@pytest.mark.parametrize("path", [FILLS, "/cfm/balance_summary", "/cfm/positions"])
async def test_orders_and_balances_are_read_though_another_call_fails(reading, monkeypatch, path):
    fail(monkeypatch, reading, path)
    reading.shows_futures = True
    with pytest.raises(Unknown):
        await reading.account()
    assert reading.told(ev.BalancesRead) == []
    with pytest.raises(Untrusted, match=f"not everything can be read: GET {path}: HTTP 503$"):
        await reading.account(essentials_suffice=True)
    (balances,) = reading.told(ev.BalancesRead)
    assert (balances.fills_until is None) == (path == FILLS)  # a transfer may be a fill not read
    assert reading.told(ev.AccountReconciled) == []


@pytest.mark.parametrize("path", ["/orders/historical/batch", "/accounts"])
async def test_nothing_is_read_without_orders_and_balances(reading, monkeypatch, path):
    fail(monkeypatch, reading, path)
    with pytest.raises(Unknown):
        await reading.account(essentials_suffice=True)
    assert reading.told(ev.BalancesRead) == []


async def test_a_futures_row_that_cannot_be_read_is_not_in_the_balances_way(reading, monkeypatch):
    def read(*_):
        raise Untrusted("number_of_contracts is not a number")

    monkeypatch.setattr(position_rows, "futures_positions", read)
    reading.shows_futures = True
    with pytest.raises(Untrusted):
        await reading.account()
    assert reading.told(ev.BalancesRead) == []
    with pytest.raises(Untrusted, match="not everything can be read: number_of_contracts"):
        await reading.account(essentials_suffice=True)
    assert reading.told(ev.BalancesRead)


async def test_a_sale_is_previewed_and_why_it_would_be_refused_is_told(trader, reading):
    """What open orders hold is no reason: a liquidation cancels them first."""
    preview = reading.lookups.sale_refusal
    assert await preview("BTC-USD", Decimal("0.5")) == ""
    assert await preview("BTC-USD", Decimal(50)) == ""
    assert await preview("BTC-USD", Decimal("0.000000001")) != ""
    trader.paper.world.set_faults(no_wallet_of="USD")
    assert "account is not available" in await preview("BTC-USD", Decimal("0.5"))
    assert await preview("BTC-USDC", Decimal("0.5")) == ""


BY_ID = "GET /orders/historical/…"
NO_ORDER = {
    "Coinbase's own word": Refused(BY_ID, 404, "HTTP 404: order not found", is_worded=True),
    "plain text": Refused(BY_ID, 404, "HTTP 404: not found"),
    "a page of a proxy's": Refused(BY_ID, 404, "HTTP 404: <html>"),
    "a wrong id": Refused(BY_ID, 400, "HTTP 400: order_id argument is invalid", is_worded=True),
}


@pytest.mark.parametrize("answer", NO_ORDER.values(), ids=NO_ORDER)
async def test_an_order_that_its_id_does_not_find_is_none(reading, monkeypatch, answer):
    async def get(*_given, **_options):
        raise answer

    monkeypatch.setattr(reading.rest, "get", get)
    assert await reading.lookups.order("o1") is None


@pytest.mark.parametrize("status", [400, 403])
async def test_another_s_refusal_says_nothing_of_an_order(reading, monkeypatch, status):
    async def get(*_given, **_options):
        raise Refused(BY_ID, status, f"HTTP {status}: <html>")

    monkeypatch.setattr(reading.rest, "get", get)
    with pytest.raises(Refused):
        await reading.lookups.order("o1")


GONE = {
    "no such wallet": Refused(
        "GET /accounts/…", 404, "HTTP 404: account not found", is_worded=True
    ),
    "a page of a proxy's": Refused("GET /accounts/…", 404, "HTTP 404: <html>"),
    "not this key's": Refused("GET /accounts/…", 403, "HTTP 403: denied", is_worded=True),
    "a wrong request": Refused(
        "GET /accounts/…", 400, "HTTP 400: INVALID_ARGUMENT", is_worded=True
    ),
    "a failing server": Unknown("GET /accounts/…", 502, "HTTP 502"),
    "another form": {"wallet": None},
}


@pytest.mark.parametrize("answer", GONE.values(), ids=GONE)
async def test_a_wallet_that_no_listing_has_holds_up_no_reading_whatever_its_id_is_answered(
    trader, reading, monkeypatch, answer
):
    await reading.account()
    real = reading.rest.get

    async def get(asked, *given, **options):
        if not asked.startswith("/accounts/"):
            return await real(asked, *given, **options)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(reading.rest, "get", get)
    trader.paper.world.set_faults(no_wallet_of="BTC")
    await reading.account()
    assert len(reading.told(ev.AccountReconciled)) == 2
    last = reading.told(ev.BalancesRead)[-1]
    assert last.is_complete
    assert "BTC" not in {balance.currency for balance in last.balances}


# ------------------------------------------------------------------------- listings that are cut short


ENDS = ["an empty page", "a cursor that repeats"]


class Cut:
    """A listing that says that it goes on behind its first rows, and does not."""

    def __init__(self, monkeypatch, reading, name, end, rows_told):
        path = {"accounts": "/accounts", "fills": FILLS, "orders": ORDERS}[name]
        self.asked: list[str] = []
        self.is_on = True
        real = reading.rest.get

        async def get(asked, query=None, **options):
            self.asked.append(asked)
            if asked.startswith("/accounts/"):
                raise Unknown(f"GET {asked}", 502, "HTTP 502")
            if asked != path or not self.is_on:
                return await real(asked, query, **options)
            more = {"has_next": True, "cursor": "2"}
            if not query["cursor"]:
                page = await real(asked, query, **options)
                return {**page, name: page[name][:rows_told], **more}
            last = {"uuid": "w", "entry_id": "e", "order_id": "o"}  # in no listing before
            return {name: [] if end == "an empty page" else [last], **more}

        monkeypatch.setattr(reading.rest, "get", get)


@pytest.mark.parametrize("end", ENDS)
async def test_balances_whose_listing_is_cut_short_are_not_all_there_are(reading, monkeypatch, end):
    """What is behind the cut is not gone: it is asked for by its id, each time, and never read as zero."""
    await reading.account()
    cut = Cut(monkeypatch, reading, "accounts", end, 1)
    for _ in range(2):
        cut.asked.clear()
        await reading.account()
        balances = reading.told(ev.BalancesRead)[-1]
        assert (len(balances.balances), balances.is_complete) == (1, False)
        assert any(path.startswith("/accounts/") for path in cut.asked)
    assert any("does not go on" in text for text in reading.complaints)
    cut.is_on = False
    await reading.account()
    assert reading.told(ev.BalancesRead)[-1].is_complete


@pytest.mark.parametrize("end", ENDS)
async def test_fills_whose_listing_is_cut_short_are_waited_for_and_then_passed_over(
    trader, reading, monkeypatch, end
):
    """No transfer is believed meanwhile, and the window of fills waits; another cut is waited for anew."""
    passed = [0.0]
    monkeypatch.setattr("sidecar.coinbase.account_reader.clock.wall", lambda: passed[0])
    await trader.place(trader.market("BUY", "0.1"))
    monkeypatch.setattr(order_rows, "is_empty", lambda _fill: True)
    monkeypatch.setattr(order_rows, "fill_report", lambda row, _at: row)
    cut = Cut(monkeypatch, reading, "fills", end, 0)
    for passed[0] in (0.0, 10.0, 29.0):
        with pytest.raises(Untrusted, match="does not go on"):
            await reading.account()
        assert reading.told(ev.BalancesRead)[-1].fills_until is None
    assert reading.told(ev.FillPassedOver) == []
    for passed[0] in (30.0, 31.0):
        await reading.account()
        assert reading.told(ev.BalancesRead)[-1].fills_until is not None
    (over,) = reading.told(ev.FillPassedOver)
    assert "does not go on" in over.words
    cut.is_on = False
    await reading.account()
    cut.is_on, passed[0] = True, 62.0
    with pytest.raises(Untrusted, match="does not go on"):
        await reading.account()


@pytest.mark.parametrize("end", ENDS)
async def test_open_orders_whose_listing_is_cut_short_are_waited_for(
    trader, reading, monkeypatch, end
):
    """Nobody says meanwhile that there are no others; whoever only cancels goes on with what there is."""
    passed = [0.0]
    monkeypatch.setattr("sidecar.coinbase.account_reader.clock.wall", lambda: passed[0])
    order_id = await trader.place(trader.limit("BUY", "0.01", "60000"))
    monkeypatch.setattr(order_rows, "order_report", lambda row, _at: row)
    monkeypatch.setattr("sidecar.coinbase.account_reader.is_ours", lambda row: "side" in row)
    cut = Cut(monkeypatch, reading, "orders", end, 1)
    for passed[0] in (0.0, 10.0, 29.0):
        with pytest.raises(Untrusted, match="does not go on"):
            await reading.account()
        listed = reading.told(ev.OpenOrdersListed)[-1]
        assert (listed.order_ids, listed.is_complete) == ((order_id,), False)
    passed[0] = 30.0
    await reading.account()
    assert reading.told(ev.OpenOrdersListed)[-1].is_complete
    cut.is_on = False
    await reading.account()
    cut.is_on = True
    *_, last = [fact async for fact in reading.picture.orders()]
    assert not last.is_complete  # another cut is waited for anew


@pytest.mark.parametrize("end", ENDS)
async def test_no_account_opens_with_a_part_of_its_wallets(reading, monkeypatch, end):
    """Later the books know what is behind the cut, and go on with it."""
    passed = [0.0]
    monkeypatch.setattr("sidecar.coinbase.account_reader.clock.wall", lambda: passed[0])
    Cut(monkeypatch, reading, "accounts", end, 1)
    for passed[0] in (0.0, 10.0, 29.0):
        with pytest.raises(Untrusted, match="does not go on"):
            await reading.opening()
    assert reading.told(ev.AccountReconciled) == []
    passed[0] = 30.0
    await reading.opening()
    assert len(reading.told(ev.AccountReconciled)) == 1


async def test_where_everything_can_be_read_the_account_is_reconciled(reading):
    await reading.account(essentials_suffice=True)
    assert reading.told(ev.AccountReconciled)
