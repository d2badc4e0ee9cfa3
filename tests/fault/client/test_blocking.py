"""The blocking client against a real RiskManager behind a real socket, and against nobody."""

import json
import socket
import threading
from decimal import Decimal

import pytest

from risk_sidecar_client import NO_ANSWER, AskFailed, Client
from tests.order_desk import GRID, Foreign, Known, desk, is_gone, is_there, order, served


def test_a_decision_comes_back_typed(path):
    with served(path):
        client = Client(path, timeout_s=60)
        small, large = client.validate_order(order()), client.validate_order(order("b", "1"))
        client.close()
    assert (bool(small), small.client_order_id, small.state) == (True, "a", "ACTIVE")
    assert Decimal(small.notional or 0) == 3200
    assert (bool(large), large.codes) == (False, ("MAX_ORDER_NOTIONAL",))
    assert Decimal(large.max_base_size) == Decimal("0.078125")
    assert large.violations[0].limit == "5000"


def test_the_very_bytes_may_be_given(path):
    body = b'{"client_order_id":"a","product_id":"BTC-USD","side":"BUY","order_configuration":{"market_market_ioc":{"quote_size":"10"}}}'
    with served(path):
        client = Client(path, timeout_s=60)
        assert client.validate_order(body)
        assert client.validate_order(body.decode()).replayed
        client.close()


def test_a_reservation_can_be_released(path):
    manager = desk()
    with served(path, manager):
        client = Client(path, timeout_s=60)
        client.validate_order(order())
        client.release_order("a")
        assert not client.validate_order(order()).replayed
        client.close()


def test_a_reservation_of_before_hello_can_be_released_after_it(path):
    with served(path):
        client = Client(path, timeout_s=60)
        client.validate_order(order())
        client.hello("maker")
        client.release_order("a")
        assert not client.validate_order(order()).replayed
        client.bye()
        client.close()


def test_edits_and_closes_are_asked_about_too(path):
    with served(path):
        client = Client(path, timeout_s=60)
        edit = client.validate_edit(client_order_id="a", size="2")
        assert "no open order" in edit.violations[0].message
        close = client.validate_close("BTC-USD", "c", size="1", dry_run=True)
        assert (close.codes, close.client_order_id) == (("INVALID_ORDER",), "c")
        client.close()
    close = client.validate_close("BTC-USD", "c")
    assert (close.codes, close.client_order_id) == ((NO_ANSWER,), "c")
    assert client.validate_edit(order_id="o").codes == (NO_ANSWER,)


def test_nobody_there_is_a_refusal_that_says_what_to_do(path):
    decision = Client(path, timeout_s=60).validate_order(order("mine"))
    assert (bool(decision), decision.codes, decision.client_order_id) == (
        False,
        (NO_ANSWER,),
        "mine",
    )
    assert "start it" in decision.violations[0].message


def test_no_answer_in_time_is_a_refusal(path):
    blocked = threading.Event()
    with served(path, answer=lambda connection, request: blocked.wait(5)):
        client = Client(path, timeout_s=0.1)
        decision = client.validate_order(order())
        blocked.set()
        client.close()
    assert "no answer" in decision.violations[0].message


@pytest.mark.parametrize("server_uid", [None, 12345])
def test_another_users_socket_is_not_believed(path, monkeypatch, server_uid):
    monkeypatch.setattr("risk_sidecar_client.peer.CREDENTIALS", Foreign())
    with served(path):
        decision = Client(path, server_uid=server_uid).validate_order(order())
    assert "user 54321 listens there" in decision.violations[0].message


def test_it_reconnects_when_the_sidecar_was_restarted(path):
    client = Client(path, timeout_s=60)
    with served(path):
        assert client.validate_order(order())
    assert not client.validate_order(order("b"))
    with served(path):
        assert client.validate_order(order("c"))
    client.close()


def test_what_is_written_over_several_lines_is_a_single_question(path):
    with served(path):
        client = Client(path, timeout_s=60)
        body = json.dumps(order(), indent=2)
        assert client.validate_order(body)
        assert client.validate_order(body.encode().replace(b"\n", b"\r\n")).replayed
        for what in (
            '{}}}\n{"jsonrpc":"2.0","id":9,"method":"bye"}',
            '{"client_order_id": "a\nb"}',
            '{}, "dry_run": true, "strategy_id": "s"',
        ):
            assert client.validate_order(what).codes == (NO_ANSWER,)
        assert client.validate_order(order()).replayed
        client.close()


@pytest.mark.parametrize("what", [{}, {"x": object()}, b"{", "nonsense", {"client_order_id": 5}])
def test_what_is_no_order_is_refused_and_the_client_goes_on(path, what):
    with served(path):
        client = Client(path, timeout_s=60)
        assert not client.validate_order(what)
        assert client.validate_order(order())
        client.close()


def test_a_wrong_question_says_so(path):
    with served(path):
        client = Client(path, timeout_s=60)
        with pytest.raises(AskFailed, match="no method"):
            client.ask("no_such")
        with pytest.raises(AskFailed, match="add 'bot' there"):
            client.ask("hello", name="bot", on_disconnect="flatten")
        assert client.ask("hello", name="bot")
        client.close()


def test_threads_may_share_one(path):
    with served(path):
        client, decisions = Client(path, timeout_s=60), []
        threads = [
            threading.Thread(
                target=lambda n=n: decisions.append(client.validate_order(order(f"t{n}", "0.001")))
            )
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        client.close()
    assert all(decisions)
    assert {decision.client_order_id for decision in decisions} == {f"t{n}" for n in range(20)}


def test_a_bot_with_nothing_to_ask_is_known_again_after_a_restart(path, quick):
    client, known = Client(path, timeout_s=60), Known(path)
    with served(path, made=known.listener):
        assert client.hello(**GRID)["grace_s"] == 30
        known.until(is_there)
    known = Known(path)
    with served(path, made=known.listener):
        known.until(is_there)
        client.bye()
        assert known.sessions.saved() == []
        assert client.validate_order(order())
        client.close()
    assert known.sessions.saved() == []


def test_a_connection_that_drops_once_is_made_again_with_the_same_hello(path, quick):
    client, known = Client(path, timeout_s=60), Known(path)
    with served(path, made=known.listener) as made:
        client.hello(**GRID)
        known.until(is_there)
        (old,) = made.connections
        assert client._connection is not None
        client._connection._socket.shutdown(socket.SHUT_RDWR)
        known.until(lambda bots: is_there(bots) and old not in made.connections)
        client.close()
        known.until(is_gone)
        assert client.validate_order(order())
        known.until(is_there)
        client.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nobody closes it
def test_a_bot_whose_client_is_nobodys_any_more_is_gone(path, quick):
    client, known = Client(path, timeout_s=60), Known(path)
    with served(path, made=known.listener):
        client.hello(**GRID)
        known.until(is_there)
        del client
        known.until(is_gone)


def test_a_hello_that_is_not_taken_on_the_way_back_is_told_at_every_question(path):
    """Who wants to be watched over, and is not, sends nothing."""
    client, known = Client(path, timeout_s=60), Known(path)
    with served(path, made=known.listener):
        client.hello("grid")
    client._hello = GRID | {"on_disconnect": "flatten"}  # which the next one does not allow
    with served(path, desk()):
        for _ in range(2):
            decision = client.validate_order(order())
            assert "hello was refused on the way back" in decision.violations[0].message
            assert "add 'grid' there" in decision.violations[0].message
        client.close()


def test_a_hello_whose_answer_is_lost_is_said_again_and_its_bot_can_leave(path):
    """As documented: it was taken, and without that the bot would be gone after its grace."""
    client, known = Client(path, timeout_s=60), Known(path)
    inner = known.listener.answer

    def lost(connection, request):
        known.listener.answer = inner
        result = inner(connection, request)
        connection.drop()
        return result

    known.listener.answer = lost
    with served(path, made=known.listener):
        with pytest.raises(AskFailed):
            client.hello(**GRID)
        known.until(is_gone)
        assert client.hello(**GRID)["name"] == "grid"
        assert is_there(known.sessions.saved())
        client.bye()
        client.close()
    assert known.sessions.saved() == []
