"""Prose names its subject: few placeholder words in docstrings, comments and pages.

"What is in doubt" sends its reader to the code for the noun; "an open discrepancy" does not.
`python -m tests.unit.test_words` prints the figure of each folder, with a folder's name each place.
"""

import ast
import io
import re
import sys
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sidecar"
PLACEHOLDER = re.compile(
    r"\b(?:what|whatever|(?:no|any|some|every)(?:thing|body)|(?:any|some|every)one|whoever"
    r"|those\s+that|that\s+which)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z][\w'’-]*")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    .*$", re.MULTILINE)
INLINE = re.compile(r"`+[^`]*`+")
PAGES = "README.md and docs/"
GENERATED = {"configuration.md", "rules.md"}  # their words stand in the code
BOUND = 10  # in 1,000 words


@cache
def prose(path: Path) -> list[tuple[int, str]]:
    """Each docstring and comment of a module, or the text of a page, with the line it begins at."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        blank = FENCE.sub(lambda code: "\n" * code[0].count("\n"), text)
        return [(1, INLINE.sub("code", INDENTED.sub("", blank)))]
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(words))):
                found.append((node.lineno, INLINE.sub("code", words)))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = (token for token in tokens if token.type == tokenize.COMMENT)
    found += [(token.start[0], INLINE.sub("code", token.string)) for token in comments]
    return found


def folders() -> dict[str, list[Path]]:
    """Each folder of the package with its own modules, and the pages."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        found.setdefault(str(path.parent.relative_to(ROOT)), []).append(path)
    pages = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in GENERATED]
    return found | {PAGES: [ROOT / "README.md", *pages]}


def places(paths: list[Path]) -> list[str]:
    """Every placeholder word, with its file and line."""
    found = []
    for path in paths:
        for line, text in prose(path):
            for match in PLACEHOLDER.finditer(text):
                at = line + text.count("\n", 0, match.start())
                found.append(f"{path.relative_to(ROOT)}:{at}: {match[0]}")
    return found


def in_1000_words(paths: list[Path]) -> float:
    words = sum(len(WORD.findall(text)) for path in paths for _, text in prose(path))
    return 1000 * len(places(paths)) / max(words, 1000)  # a short folder's one word is not a habit


@pytest.mark.parametrize("folder", folders())
def test_prose_names_its_subject(folder):
    paths = folders()[folder]
    assert in_1000_words(paths) <= BOUND, "\n".join(places(paths))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("What nobody asked for, and those\nthat follow: everything.", 4),
        ("`what` is code, somewhat is no placeholder, nor is a body.", 0),
    ],
)
def test_placeholders_are_found_in_prose_and_not_in_code(tmp_path, text, count):
    page = tmp_path / "page.md"
    page.write_text(f"{text}\n\n```\nnothing\n```\n\n    what\n", encoding="utf-8")
    found = [match for _, part in prose(page) for match in PLACEHOLDER.finditer(part)]
    assert len(found) == count


if __name__ == "__main__":
    for name, files in folders().items():
        if name in sys.argv[1:]:
            sys.stdout.write("\n".join(places(files)) + "\n")
        sys.stdout.write(f"{in_1000_words(files):5.1f}  {name}\n")
