"""docs/messages.md has every message of the source, and each of them reads as it should."""

import re
from pathlib import Path

import pytest

from sidecar.console.pages.messages_page import LIMITS, TITLES, messages, messages_page
from sidecar.console.pages.source_texts import said
from sidecar.core.context.state import CAUSES
from sidecar.core.judging.rules import RULES

ROOT = Path(__file__).parents[4]
PACKAGE = ROOT / "sidecar"
SOURCES = {
    str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")
}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALL = messages(SOURCES, OPERATIONS)
# Words of the program's own workshop, which say nothing to its users.
WORKSHOP = re.compile(r"\b(mends?|tighten(s|ed|ing)?|loosen(s|ed|ing)?|the picture|uid|boolean)\b")
# Refusals whose fix is in what is filled in, or that no bot can do anything about but wait.
IN_THE_TEXT = {
    "DUPLICATE_CLIENT_ORDER_ID",
    "PRODUCT_UNTRADABLE",
    "VAR_UNAVAILABLE",
    "PRODUCT_NOT_ALLOWED",
}


def test_the_committed_page_is_the_generated_one():
    page = (ROOT / "docs" / "messages.md").read_text("utf-8")
    assert page == messages_page(SOURCES, OPERATIONS), "run `make docs`"


def test_it_has_all_kinds_of_messages_and_every_limit():
    assert {one.title for one in ALL} == set(TITLES)
    limits = {rule.code for rule in RULES if hasattr(rule, "limit")}
    assert {one.code for one in ALL if one.title == LIMITS} == limits
    assert len(ALL) > 300


@pytest.mark.parametrize("message", ALL, ids=lambda one: one.text[:50])
def test_a_message_has_no_word_of_the_workshop_and_no_bare_ratio(message):
    for text in (message.text, message.fix):
        assert not WORKSHOP.search(re.sub(r"\{[^{}]*\}", "", text)), text
        assert not re.search(r"(?<![0-9.])0\.[0-9]+ (of|is) ", text), text
        assert not re.search(r"\} %[^.]*\} %.*%", text), text
        assert "  " not in text.strip()
        assert not re.search(r"\b(a|an|the) \1\b", text)


def test_every_refusal_has_a_fix():
    for one in ALL:
        if one.title in {LIMITS, "Other refusals"} and one.code not in IN_THE_TEXT:
            assert one.fix, one
        if one.code in CAUSES and one.title == "Causes":
            assert one.fix == CAUSES[one.code].mend


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise Misuse(f'{path}: no file; name {a.b} for {count(c)}')", ["{path}: no file; name {b} for {c}"]),
        ("def f():\n  text = 'one ' + x\n  if y:\n    text = 'two'\n  Misuse(text)", ["one {x}", "two"]),
        ("def f():\n  text = 'one'\n  Misuse(text)\n  text = 'two'\n  Misuse(text)", ["one", "two"]),
        ("WHY: Final = 'because'\ndef f():\n  def g():\n    return Misuse(WHY)\n  return e.Misuse('a' if b else 'c')", ["a", "c", "because"]),
        ("Misuse(fault)", []),
        ("Misuse(f'{self.mend(one)} and {\"a text\"}')", ["{one} and {…}"]),
        ("Misuse(f'it ends; {mend}')", ["it ends; {fix}"]),
        ("Other('not wanted')", []),
    ],
)  # fmt: skip
def test_texts_are_read_from_source_as_far_as_it_shows_them(source, texts):
    found = [text for one in said(source, {"Misuse"}) for text in one.texts(0)]
    assert sorted(found) == sorted(texts)


def test_an_argument_is_had_by_place_or_name_and_none_where_there_is_none():
    (one,) = said("Alert('first', code=CODE, text='said')", {"Alert"})
    assert list(one.texts("text")) == ["said"]
    assert list(one.texts(0)) == ["first"]
    assert list(one.texts(3)) == list(one.texts("fix")) == list(one.texts(None)) == []
