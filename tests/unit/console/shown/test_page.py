"""What comes from outside is text on a page: no line, no colour, no markup of its own."""

import copy
from typing import Any

import pytest
from rich.text import Text

from sidecar.console.shown import page
from sidecar.console.shown.render_books import positions
from tests.unit.console.shown.test_rendering import POSITIONS

HOSTILE = "a\x1b[31m\x9b1m\r\n\u2028\u202eb[/bold]:boom:"
ESCAPED = r"a\x1b[31m\x9b1m\r\n\u2028\u202eb[/bold]:boom:"


def test_every_text_of_a_view_is_escaped_and_the_rest_is_as_it_was():
    view = {HOSTILE: [HOSTILE, {"name": HOSTILE}, 1, 0.5, None, True], "plain": "é – 1 × …"}
    row = [ESCAPED, {"name": ESCAPED}, 1, 0.5, None, True]
    assert page.readable(view) == {ESCAPED: row, "plain": "é – 1 × …"}


def test_an_id_in_a_table_is_no_markup(capsys):
    view: Any = copy.deepcopy(POSITIONS)
    view["open_orders"][0]["client_order_id"] = HOSTILE
    page.show(view, lambda view, _width: positions(view, 200))
    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


def test_it_is_laid_out_for_as_many_columns_as_there_are(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "33")
    page.show({}, lambda _view, width: Text(f"{width} columns"))
    assert capsys.readouterr().out == "33 columns\n"


@pytest.mark.parametrize("stderr", [True, False])
def test_it_prints_where_it_is_told_to(capsys, stderr):
    page.console(stderr=stderr).print("[/bold]")
    out, err = capsys.readouterr()
    assert (err if stderr else out) == "[/bold]\n"
    assert not (out if stderr else err)
