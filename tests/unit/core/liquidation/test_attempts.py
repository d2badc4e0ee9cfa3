"""One order of a liquidation: what is known of it, and what is sent."""

from datetime import timedelta
from itertools import product as every
from typing import Any, get_args

import pytest

from sidecar.core.liquidation.attempts import MOVES, Attempt, Signal, Stage
from sidecar.core.vocabulary import events as ev
from tests.scenario import START, D

NAME = "risk-sidecar-e1-BTC-USD-1"


def attempt(**changes: Any) -> Attempt:
    fields: dict[str, Any] = {
        "client_order_id": NAME, "product_id": "BTC-USD", "key": "BTC", "side": "SELL",
        "way": "market", "size": D("0.5"), "first_sent": START,
    }  # fmt: skip
    return Attempt(**fields | changes)


def report(**changes: Any) -> ev.OrderReported:
    fields: dict[str, Any] = {
        "at": START, "order_id": "o1", "product_id": "BTC-USD", "side": "SELL", "status": "OPEN",
        "client_order_id": NAME, "base_size": D("0.5"), "created_at": START,
    }  # fmt: skip
    return ev.OrderReported(**fields | changes)


def test_the_table_names_every_stage_and_signal() -> None:
    stages, signals = get_args(Stage), get_args(Signal)
    assert {stage for stage, _ in MOVES} | set(MOVES.values()) == {*stages}
    assert {signal for _, signal in MOVES} == {*signals}


@pytest.mark.parametrize(("stage", "signal"), [*every(get_args(Stage), get_args(Signal))])
def test_what_is_not_in_the_table_changes_nothing(stage: Stage, signal: Signal) -> None:
    one = attempt(stage=stage)
    moved = one.move(signal)
    assert moved == ((stage, signal) in MOVES)
    assert one.stage == MOVES.get((stage, signal), stage)


def test_only_what_is_over_or_refused_cannot_trade_any_more() -> None:
    ended = [stage for stage in get_args(Stage) if not attempt(stage=stage).is_live]
    assert ended == ["refused", "over"]
    assert not [stage for stage, _ in MOVES if stage == "over"]


def test_nothing_leads_from_doubt_to_over_but_an_end_that_was_seen() -> None:
    assert [signal for (stage, signal), after in MOVES.items() if stage == "doubtful" and after == "over"] == ["ended"]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "stage"),
    [({}, "placed"), ({"status": "FILLED"}, "over"), ({"status": "CANCELLED"}, "over")],
)
def test_a_report_places_or_ends_it(changes: dict[str, Any], stage: str) -> None:
    one = attempt()
    assert one.report(report(**changes)) == ""
    assert (one.stage, one.order_id) == (stage, "o1")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"side": "BUY"}, "it is a BUY"),
        ({"base_size": D(3)}, "its size is 3"),
        ({"created_at": START - timedelta(hours=1)}, "it was created at 2026-11-22 12:00:00 UTC"),
    ],
)
def test_another_order_under_its_id_is_not_it(changes: dict[str, Any], fault: str) -> None:
    one = attempt()
    assert fault in one.report(report(**changes))
    assert one.stage == "over"
    assert one.report(report(**changes)) == ""  # said once


def test_what_is_not_told_is_no_difference() -> None:
    assert attempt().report(report(base_size=None, created_at=None)) == ""
    assert attempt(size=None).report(report()) == ""


@pytest.mark.parametrize(
    ("way", "price", "configuration"),
    [
        ("market", None, {"market_market_ioc": {"base_size": "0.5"}}),
        ("limit", "99", {"sor_limit_ioc": {"base_size": "0.5", "limit_price": "99"}}),
        (
            "post_only",
            "99",
            {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "99", "post_only": True}},
        ),
        (
            "auction",
            "99",
            {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "99", "post_only": False}},
        ),
    ],
)
def test_the_body_is_coinbases(way: Any, price: str | None, configuration: dict[str, Any]) -> None:
    one = attempt(way=way, price=None if price is None else D(price))
    placed = one.place()
    assert placed.body == {
        "client_order_id": NAME, "product_id": "BTC-USD", "side": "SELL", "order_configuration": configuration,
    }  # fmt: skip
    assert not placed.closes
    assert one.place() == placed  # the identical body, however often


def test_a_position_is_closed_whole_or_in_parts() -> None:
    whole, part = attempt(way="close", size=None).place(), attempt(way="close", size=D(3)).place()
    assert (whole.closes, part.closes) == (True, True)
    assert whole.body == {"client_order_id": NAME, "product_id": "BTC-USD"}
    assert part.body == whole.body | {"size": "3"}


def test_it_is_looked_for_by_product_and_time() -> None:
    find = attempt().find()
    assert (find.client_order_id, find.product_id, find.since) == (NAME, "BTC-USD", START)
