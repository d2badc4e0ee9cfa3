"""Money that moves by itself, over real sockets: what a client reads, hears and is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.fault.paper_client import hear, subscribed, trading

BIP = "BIP-20DEC30-CDE"
FUTURES = "futures_balance_summary"


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "5"}) as made:
        for book in made.paper.world.exchange.books.values():
            book.silent = True
        yield made


async def control(trader, path, **body):
    answer = await trader.http.post(f"/paper/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def usd(trader):
    rows = (await trader.get("/accounts"))["accounts"]
    (row,) = [row for row in rows if row["currency"] == "USD"]
    return Decimal(row["available_balance"]["value"]) + Decimal(row["hold"]["value"])


def scalars(frame):
    row = frame["events"][0]["fcm_balance_summary"]
    names = ("cbi_usd_balance", "cfm_usd_balance", "total_usd_balance")
    return tuple(Decimal(row[name]) for name in names)


async def test_a_withdrawal_is_seen_by_reading_accounts_only(trader):
    body = {"kind": "withdrawal", "currency": "USD", "amount": "80000"}
    assert (await control(trader, "transfer", **body))["available"] == "20000"
    assert await usd(trader) == 20_000
    answer = await trader.http.post("/paper/transfer", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "withdrawal of 80000 USD is more than is available: 20000 USD, and 0 on hold"
    )


async def test_a_sweep_is_heard_in_one_frame(trader):
    async with trader.listen(FUTURES) as socket:
        await subscribed(socket, FUTURES)
        await control(trader, "sweep", to="futures", amount="33161")
        assert scalars(await hear(socket, FUTURES)) == (66_839, 33_161, 100_000)
        await control(trader, "sweep", to="spot")
        assert scalars(await hear(socket, FUTURES)) == (100_000, 0, 100_000)


async def test_the_usd_wallet_can_lag_behind_a_margin_call_that_was_heard_at_once(trader):
    await control(trader, "faults", balance_lag_by_currency={"USD": 3600})
    async with trader.listen(FUTURES) as socket:
        await subscribed(socket, FUTURES)
        await trader.place(trader.market("BUY", "25", BIP))
        cbi, cfm, whole = scalars(await hear(socket, FUTURES))
    assert cfm > 0
    assert cbi + cfm == whole < 100_000, "the fee is gone"
    assert await usd(trader) == 100_000
    await trader.http.delete("/paper/faults")
    assert await usd(trader) == cbi


@pytest.mark.parametrize("after", [False, True])
async def test_a_futures_fill_and_its_wallet_come_in_either_order(trader, after):
    await control(trader, "faults", wallet_after_fill=after)
    async with trader.listen("user", FUTURES, products=()) as socket:
        await subscribed(socket, "user", FUTURES)
        await trader.place(trader.market("BUY", "2", BIP))
        heard: list[str] = []
        while len(heard) < 2:
            frame = await hear(socket)
            if frame["channel"] == FUTURES:
                heard.append("wallet")
            elif frame["channel"] == "user" and frame["events"][0]["orders"]:
                (order,) = frame["events"][0]["orders"]
                if order["cumulative_quantity"] == "2" and "fill" not in heard:
                    heard.append("fill")
    assert heard == (["fill", "wallet"] if after else ["wallet", "fill"])


async def test_free_cash_is_swept_on_a_schedule_while_nobody_asks(tmp_path):
    """Six minutes to midnight, and then these in a moment."""
    tmp_path.chmod(0o700)
    opening = datetime(2026, 11, 22, 23, 54, tzinfo=UTC)
    async with trading(tmp_path, now=lambda: opening, sweep_every_s=86_400) as trader:
        async with trader.listen(FUTURES) as socket:
            await subscribed(socket, FUTURES)
            await control(trader, "sweep", to="futures", amount="500")
            assert scalars(await hear(socket, FUTURES)) == (99_500, 500, 100_000)
            await control(trader, "market", speed="10000")
            frame = await hear(socket, FUTURES)
            assert scalars(frame) == (100_000, 0, 100_000)
        assert frame["timestamp"].startswith("2026-11-23T00:00:00")


async def test_only_a_key_that_may_transfer_schedules_a_sweep(trader):
    answer = await trader.call("POST", "/cfm/sweeps/schedule", json={"usd_amount": "5"})
    assert answer.status_code == 403
    key = json.loads((trader.paper.directory / "key-transfer.json").read_text())
    trader.name, trader.pem = key["name"], key["privateKey"]
    answer = await trader.call("POST", "/cfm/sweeps/schedule", json={"usd_amount": "5"})
    assert answer.json() == {"success": True}
    assert len((await trader.get("/cfm/sweeps"))["sweeps"]) == 1
    assert (await trader.call("DELETE", "/cfm/sweeps")).json() == {"success": True}


async def test_a_wide_frozen_quote_is_heard_with_the_last_trade_as_its_price(trader):
    async with trader.listen("ticker", products=("SOL-USD",)) as socket:
        await subscribed(socket, "ticker")
        await control(
            trader, "market", product_id="SOL-USD", bid="80", ask="86", trade="80.5", freeze=True
        )
        (row,) = (await hear(socket, "ticker"))["events"][-1]["tickers"]
        while row["best_bid"] != "80":
            (row,) = (await hear(socket, "ticker"))["events"][-1]["tickers"]
    assert (row["best_bid"], row["best_ask"], row["price"]) == ("80", "86", "80.5")
