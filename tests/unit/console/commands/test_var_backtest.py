"""`var backtest` from files to figures: what it prints, what it writes, and what it says of bad input."""

import csv
import io
import json
import re
import socket
import sys
import tempfile
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sidecar.console.app import main
from sidecar.console.commands import var_backtest
from sidecar.console.shown.render_var import backtested
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.saved import SavedState, save_manager, save_tracker
from sidecar.core.value_at_risk.settings import RiskSettings
from sidecar.storage.snapshot import write_state
from tests.histories import tell
from tests.scenario import World

DATA = Path(__file__).parents[5] / "shared" / "data" / "btc-usd-daily-2015-2018.csv"
BEGIN = date(2020, 1, 1)
QUICK = ("--model", "normal", "--model", "historical", "--window", "100")


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["risk-sidecar", "var", "backtest", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        output, errors = capsys.readouterr()
        return caught.value.code, output, errors

    return call


@pytest.fixture
def refused(run):
    """What is said, on one line, of what cannot be done."""

    def call(*words):
        code, output, errors = run(*words)
        assert (code, output) == (2, "")
        assert errors.count("\n") == 1
        assert errors.startswith("risk-sidecar: ")
        return errors

    return call


def walk(days, seed=1):
    moves = np.random.default_rng(seed).standard_normal(days) * 0.03
    return [100 * float(np.exp(move)) for move in np.cumsum(moves)]


def history(path, days=400, *, seed=1, without=()):
    """A file of closes, from 2020 on."""
    lines = [
        f"{BEGIN + timedelta(days=i)},{close:.4f}"
        for i, close in enumerate(walk(days, seed))
        if i not in without
    ]
    path.write_text("\n".join(["date,close", *lines]) + "\n")
    return path


@pytest.fixture
def btc(tmp_path):
    return history(tmp_path / "BTC-USD.csv")


def test_a_row_a_model_and_confidence(run, btc):
    code, output, errors = run("--csv", btc, *QUICK)
    assert (code, errors) == (0, "")
    assert "2020-04-11 to 2021-02-03" in output
    assert "USD: BTC-USD 10,000.00" in output
    for level in ("95 %", "99 %"):
        table = output.split(f"\n{level}: ")[1]
        for model in ("normal", "historical"):
            assert re.search(rf"^{model} +299 +\d+ ", table, re.MULTILINE)
    assert all(len(line) <= 80 for line in output.splitlines())


def test_json_has_every_figure(run, btc):
    code, output, errors = run("--csv", btc, *QUICK, "--confidence", "0.975", "--json")
    assert (code, errors, output.count("\n")) == (0, "", 1)
    told = json.loads(output)
    assert [row["model"] for row in told["tests"]] == ["normal", "historical"]
    assert told["positions"] == {"BTC-USD": "10000"}
    for row in told["tests"]:
        assert row["confidence"] == "0.975"
        assert row["expected"] == pytest.approx(299 * 0.025)
        assert row["rate"] == row["exceptions"] / 299
        assert row["traffic_light"]["zone"] in {"green", "yellow", "red"}
        for test in ("kupiec", "independence", "conditional", "z2"):
            assert 0 <= row[test]["p"] <= 1


def test_exceptions_are_what_arithmetic_says(run, btc):
    """The normal model's VaR needs a mean, a deviation and one number; the P&L is the move of a close."""
    _, output, _ = run(
        "--csv", btc, "--model", "historical", "--window", 100, "--confidence", "0.95", "--json"
    )
    closes = [float(row["close"]) for row in csv.DictReader(btc.read_text().splitlines())]
    moves = np.diff(closes) / closes[:-1]
    fifth = [np.sort(moves[day - 100 : day])[4] for day in range(100, 399)]
    sixth = [np.sort(moves[day - 100 : day])[5] for day in range(100, 399)]
    between = {int((moves[100:] < np.array(bound)).sum()) for bound in (fifth, sixth)}
    found = json.loads(output)["tests"][0]["exceptions"]
    assert min(between) <= found <= max(between)


def test_a_short_position_is_the_same_history_upside_down(run, btc, tmp_path):
    mirrored = tmp_path / "mirror.csv"
    rows = list(csv.DictReader(btc.read_text().splitlines()))
    mirrored.write_text(
        "date,close\n" + "".join(f"{row['date']},{1 / float(row['close'])}\n" for row in rows)
    )
    first = json.loads(run("--csv", btc, "--position", "BTC-USD=-5", *QUICK, "--json")[1])
    assert first["positions"] == {"BTC-USD": "-5"}
    other = json.loads(run("--csv", mirrored, "--position", "mirror=5", *QUICK, "--json")[1])
    for one, two in zip(first["tests"], other["tests"], strict=True):
        assert one["exceptions"] == pytest.approx(
            two["exceptions"], abs=3
        )  # e^r − 1 is not symmetric


def test_only_what_is_held_is_tested_and_dates_are_those_that_all_have(run, btc, tmp_path):
    eth = history(tmp_path / "eth.csv", seed=2, without=(10, 20, 30))
    both = ("--csv", btc, "--csv", f"ETH-USD={eth}", *QUICK)
    told = json.loads(run(*both, "--json")[1])
    assert told["positions"] == {"BTC-USD": "10000", "ETH-USD": "10000"}
    assert told["tests"][0]["days"] == 296
    assert any("3 days" in note for note in told["notes"])
    told = json.loads(run(*both, "--position", "BTC-USD=1", "--json")[1])
    assert told["tests"][0]["days"] == 299
    assert told["notes"] == []


def test_few_days_and_rare_fits_are_said(run, btc):
    words = ("--csv", btc, "--model", "monte_carlo", "--window", "370", "--confidence", "0.95")
    notes = json.loads(run(*words, "--json")[1])["notes"]
    assert any(note.startswith("only 29 days are tested") for note in notes)
    assert "monte_carlo is fitted every 5 days, not every day" in notes


def test_every_model_is_tested_unless_some_are_named(run, btc):
    told = json.loads(run("--csv", btc, "--window", "395", "--json")[1])
    assert len(told["tests"]) == 16
    assert len({row["model"] for row in told["tests"]}) == 8


# ---------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "garch"], "--model garch: there are historical, "),
        (["--confidence", "99"], "--confidence 99: write a ratio"),
        (["--confidence", "nan"], "--confidence nan: write a ratio"),
        (["--confidence", "much"], "--confidence much: write a ratio"),
        (["--confidence", "1"], "such as 0.99"),
        (["--position", "BTC-USD"], "write PRODUCT=USD, such as BTC-USD=10000"),
        (["--position", "BTC-USD=0"], "write PRODUCT=USD"),
        (["--position", "BTC-USD=inf"], "write PRODUCT=USD"),
        (["--position", "BTC-USD=1e400"], "write PRODUCT=USD"),
        (["--position", "ETH-USD=1"], "no history; give --csv ETH-USD=FILE; have BTC-USD"),
        (["--position", "BTC-USD=1", "--position", "BTC-USD=2"], "is given twice; add them up"),
        (["--window", "399"], "has 399 daily returns"),
        (["--window", "500"], "give a longer history, or --window 199"),
        (["--window", "0"], "--window"),
        (["--window", "many"], "--window"),
        (["--html", "/no/such/place/report.html"], "name a file in a directory that is there"),
        (["--html", "/"], "name a file in a directory that is there"),
    ],
)
def test_a_wrong_option_gets_one_line_that_names_the_mend(refused, btc, words, said):
    if words[0] == "--html":
        pytest.importorskip("matplotlib")
    assert said in refused("--csv", btc, *words)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has other columns; give a UTF-8 file with the columns date,close"),
        (b"day,price\n2020-01-01,1\n", "has other columns"),
        (b"date,close\n2020-01-01,1\n01/02/2020,2\n", "line 3: '01/02/2020' is no date; write 2018-12-24"),
        (b"date,close\n2020-01-01,one\n", "line 2: 'one' is no price"),
        (b"date,close\n2020-01-01,0\n", "line 2: '0' is no price"),
        (b"date,close\n2020-01-01,-5\n", "line 2: '-5' is no price; write one above 0, or drop the day"),
        (b"date,close\n2020-01-01,nan\n", "is no price"),
        (b"date,close\n2020-01-01,1e-400\n", "is no price"),
        (b"date,close\n2020-01-01,\n", "is no price"),
        (b"date,close\n2020-01-02,1\n2020-01-01,1\n", "line 3: 2020-01-01 comes after a later day; sort the file"),
        (b"date,close\n2020-01-02,1\n2020-01-02,1\n", "line 3: 2020-01-02 is there twice"),
        (b"date,close\n2020-01-02\n", "line 2: write as many fields as the first line has"),
        (b"date,close\n2020-01-02,6,500\n", "line 2: write as many fields"),
        (b"date,close\n2020-01-02,1\xff\n", "cannot be read; give a UTF-8 file"),
        (b"date,close\n2020-01-02," + b"1" * 200_000 + b"\n", "cannot be read"),
        (b"date,close\n", "has 0 daily returns on dates that all products have"),
        (b"date,close\n2020-01-02,1\n", "leaves none to test; give a longer history\n"),
    ],
    ids=lambda value: str(value[:50]),
)  # fmt: skip
def test_a_wrong_file_gets_one_line_that_names_the_place_and_the_mend(
    refused, tmp_path, content, said
):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert said in refused("--csv", path)


def test_files_that_are_not_there_or_there_twice(refused, btc, tmp_path):
    assert "No such file" in refused("--csv", tmp_path / "none.csv")
    assert "directory" in refused("--csv", tmp_path)
    assert "name the product: --csv PRODUCT=FILE" in refused("--csv", btc, "--csv", btc)


def saved_history(directory, **settings):
    """A state directory as a sidecar leaves it that has read 250 days."""
    world = World(settings=Settings(risk=RiskSettings(**settings)))
    tell(world, "BTC-USD", period_s=settings.get("period_s", 86_400))
    state = SavedState(
        saved_at=world.now, manager=save_manager(world.manager), tracker=save_tracker(world.tracker)
    )
    write_state(directory / "state.json", state)
    return world


def test_the_history_that_the_sidecar_has_cached_is_tested(run, tmp_path):
    world = saved_history(tmp_path)
    words = ("--model", "historical", "--window", "100", "--confidence", "0.95", "--json")
    code, output, _ = run("--state-dir", tmp_path, *words)
    view = json.loads(output)
    assert (code, list(view["positions"]), view["tests"][0]["days"]) == (0, ["BTC-USD"], 150)
    code, output, _ = run("--state-dir", tmp_path, "--model", "normal", "--json")
    assert (code, json.loads(output)["window"]) == (0, 125)  # half of what there is
    assert view["to"] == str(world.now.date() - timedelta(days=1))


def test_a_cached_history_of_hours_is_no_history_of_days(refused, tmp_path):
    saved_history(tmp_path, period_s=3_600)
    said = refused("--state-dir", tmp_path)
    assert "the history is not of days ([var] period); give --csv FILE with daily closes" in said


def test_a_state_file_that_cannot_be_read_is_one_line(refused, tmp_path):
    (tmp_path / "state.json").write_text("{}")
    assert "or give --csv FILE" in refused("--state-dir", tmp_path)


def test_an_empty_state_has_no_history(refused, tmp_path):
    tracker = PositionTracker()
    write_state(
        tmp_path / "state.json",
        SavedState(saved_at=World().now, manager=None, tracker=save_tracker(tracker)),
    )
    assert "no history is cached yet" in refused("--state-dir", tmp_path)


def test_without_files_and_without_a_cached_history_both_ways_on_are_named(refused, tmp_path):
    said = refused("--state-dir", tmp_path)
    assert "no history is cached yet; give --csv FILE, or let the sidecar run" in said


def test_histories_that_share_no_day(refused, btc, tmp_path):
    other = tmp_path / "old.csv"
    other.write_text("date,close\n2010-01-01,1\n2010-01-02,2\n")
    assert "on dates that all products have" in refused("--csv", btc, "--csv", other)


def test_a_file_as_a_spreadsheet_writes_it_and_a_path_with_an_equals_sign(run, btc, tmp_path):
    other = tmp_path / "a=b.csv"
    other.write_bytes(b"\xef\xbb\xbf" + btc.read_bytes().replace(b"\n", b"\r\n"))
    code, output, _ = run("--csv", other, *QUICK, "--json")
    assert code == 0
    assert json.loads(output)["positions"] == {"a=b": "10000"}


# ------------------------------------------------------------------------------------------- report


def test_without_matplotlib_the_extra_is_named_before_any_work(refused, btc, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(var_backtest, "_tests", None)
    said = refused("--csv", btc, "--html", tmp_path / "report.html")
    assert "pip install 'coinbase-risk-sidecar[report]'" in said


def test_what_is_tested_is_what_the_configuration_says(run, btc, tmp_path):
    def rows(text):
        path = tmp_path / "config.toml"
        path.write_text(f"[var]\n{text}\n")
        words = ("--csv", btc, "--model", "filtered", "--config", path, "--json")
        code, output, errors = run(*words)
        assert (code, errors) == (0, "")
        told = json.loads(output)
        return told["window"], {row["confidence"]: row["exceptions"] for row in told["tests"]}

    window, usual = rows("history = 150")
    assert (window, set(usual)) == (150, {"0.95", "0.99"})
    window, other = rows("history = 150\ndecay = 0.5\nconfidence = 0.975")
    assert (window, set(other)) == (150, {"0.95", "0.975", "0.99"})
    assert other["0.95"] != usual["0.95"]


@pytest.fixture
def holding():
    """A sidecar that holds this: a configuration that names its socket."""
    with tempfile.TemporaryDirectory() as own:
        path, config = Path(own, "c.sock"), Path(own, "c.toml")
        config.write_text(f'[server]\ncontrol_socket = "{path}"\n')
        server = socket.create_server(str(path), family=socket.AF_UNIX)

        def serve(*rows):
            answer = {"jsonrpc": "2.0", "id": 1, "result": {"positions": rows}}

            def answer_once():
                peer, _ = server.accept()
                with peer:
                    peer.recv(1 << 16)
                    peer.sendall(json.dumps(answer).encode() + b"\n")

            Thread(target=answer_once, daemon=True).start()
            return ("--held", "--config", str(config))

        yield serve
        server.close()


def position(quantity, mark, *products):
    return {"key": "BTC", "quantity": quantity, "mark": mark, "product_ids": list(products)}


def test_the_portfolio_that_is_held_can_be_tested(run, btc, holding):
    words = holding(
        position("0.5", "64000", "BTC-EUR", "BTC-USD"), position("0", "3000", "ETH-USD")
    )
    code, output, errors = run("--csv", btc, *QUICK, "--json", *words)
    assert (code, errors) == (0, "")
    assert json.loads(output)["positions"] == {"BTC-USD": "32000.0"}


def test_what_is_held_and_has_no_history_or_price_is_told(refused, btc, holding):
    said = refused("--csv", btc, *holding(position("1", "3000", "ETH-USD", "ETH-EUR")))
    assert "no history of BTC; give --csv of one of its products: ETH-USD, ETH-EUR" in said
    assert "nothing with a price is held" in refused(
        "--csv", btc, *holding(position("1", None, "BTC-USD"))
    )
    assert "exclude each other" in refused("--csv", btc, "--held", "--position", "BTC-USD=1")


def test_the_report_is_one_file_that_loads_nothing(run, btc, tmp_path):
    pytest.importorskip("matplotlib")
    eth, target = history(tmp_path / "<ETH>.csv", seed=2), tmp_path / "report.html"
    words = ("--csv", btc, "--csv", eth, "--position", "<ETH>=-5", "--position", "BTC-USD=9")
    code, output, errors = run(*words, *QUICK, "--html", target)
    assert (code, errors) == (0, "")
    assert str(target) in output
    page = target.read_text()
    assert page.count("<svg ") == 2
    assert page.count("<tr>") == 1 + 4
    for text in ("&lt;ETH&gt;", "<h2>normal</h2>", "<h2>historical</h2>", "QQ against the model"):
        assert text in page
    assert "<ETH>" not in page
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\((?!#)", page)
    assert not re.search(r'(href|src)="(?!#)', page)
    run(*words, *QUICK, "--html", target)
    assert target.read_text() == page  # the same backtest, the same file


def test_a_report_of_few_days_says_what_it_cannot_show(run, btc, tmp_path):
    pytest.importorskip("matplotlib")
    target = tmp_path / "report.html"
    run("--csv", btc, "--model", "normal", "--window", "380", "--html", target)
    assert "fewer than 250 days" in target.read_text()


def test_a_report_that_cannot_be_written(refused, btc, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")

    def full(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    said = refused("--csv", btc, *QUICK, "--html", tmp_path / "report.html")
    assert "No space left on device; name a file that this user may write" in said


# ------------------------------------------------------------------------------------- what is read


def a_row(**changed):
    statistic = {"value": -12.345, "p": 0.0004}
    row: dict[str, Any] = {
        "model": "student_t_shrunk", "confidence": Decimal("0.999"), "refit_every": 1,
        "days": 9999, "exceptions": 123, "expected": 999.9, "rate": 0.999, "unavailable": {},
        "verdict": "fails", "reasons": ("too few exceptions",),
        "traffic_light": {"zone": "yellow", "cumulative": 0.99, "plus_factor": None},
    }  # fmt: skip
    names = ("kupiec", "independence", "conditional", "z1", "z2")
    return row | dict.fromkeys(names, statistic) | changed


def shown(*rows, width=80):
    view = {
        "positions": {"BTC-USD": Decimal(1)}, "from": BEGIN, "to": BEGIN, "window": 500,
        "tests": rows, "notes": ["to know"],
    }  # fmt: skip
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(backtested(view, width))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_the_widest_row_stands_in_one_line_of_80_columns():
    lines = shown(a_row())
    row = "student_t_shrunk 9999  123 999.9 99.9 <.001 <.001 <.001 yellow -12.3 <.001 fails"
    assert row in lines
    assert "  student_t_shrunk at 99.9 %: too few exceptions" in lines
    assert lines[-1] == "to know"


def test_a_narrow_terminal_keeps_what_counts():
    lines = shown(a_row(), width=72)
    assert "student_t_shrunk  123 99.9 <.001 <.001 <.001 yellow -12.3 <.001 fails" in lines


def test_a_model_without_a_figure_is_shown_with_the_reason():
    names = ("kupiec", "independence", "conditional", "traffic_light", "z1", "z2")
    nothing = dict.fromkeys(names) | {"rate": None, "days": 0, "exceptions": 0, "expected": 0.0}
    lines = shown(
        a_row(**nothing, unavailable={"too short": 40}, reasons=("no day could be tested",))
    )
    assert any(re.match(r"student_t_shrunk +0 +0 +0\.0 +– +– ", line) for line in lines)
    assert "  student_t_shrunk at 99.9 %: 40 days: too short" in lines


@pytest.mark.skipif(not DATA.exists(), reason=f"no real closes at {DATA.name}")
def test_bitcoins_crashes_are_more_than_the_normal_distribution_allows(run):
    """2016 to 2018: at 99 % the bell curve fails all that counts losses, the history itself does not."""
    words = ("--csv", f"BTC-USD={DATA}", "--model", "normal", "--model", "historical")
    code, output, _ = run(*words, "--confidence", "0.99", "--json")
    assert code == 0
    normal, past = json.loads(output)["tests"]
    assert normal["days"] == past["days"] == 1081
    assert normal["kupiec"]["p"] < 0.01
    assert normal["z2"]["p"] < 0.01
    assert (past["verdict"], past["traffic_light"]["zone"]) == ("good", "green")
