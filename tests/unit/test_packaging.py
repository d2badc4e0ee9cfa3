"""What the repository promises about its own installation."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "requirements-bench.lock"]


def names(requirements):
    return {re.split(r"[<>=!~;\[ ]", requirement)[0].lower() for requirement in requirements}


def wanted():
    project = PROJECT["project"]
    return names(
        project["dependencies"]
        + project["optional-dependencies"]["dev"]
        + PROJECT["dependency-groups"]["bench"]
    )


def test_every_dependency_has_its_reason_on_the_page_and_no_other_has():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)) - {"package"}
    assert listed == wanted()


def test_every_dependency_is_locked():
    text = "".join((ROOT / lock).read_text(encoding="utf-8") for lock in LOCKS)
    assert wanted() <= set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_path(lock):
    """Law: where packages come from is the machine's business, never the project's."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*-[-a-z]*(index|find-links)|^\s*-[eif] ", text, re.MULTILINE)
