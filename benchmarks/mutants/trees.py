"""Copies of the tree: tests are run in these, and the working tree is never changed."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from coverage import CoverageData

from benchmarks.mutants.chosen import CHOSEN, PLUGIN
from benchmarks.mutants.mutations import Mutant

ROOT: Final = Path(__file__).parents[2]
TRAPS: Final = ("tests/unit/test_traps_decisions.py", "tests/unit/test_traps_tracker.py")
TESTS: Final = ("tests/unit/core", *TRAPS)
PYTEST: Final = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
COVERED: Final = ("--cov=sidecar/core", "--cov-context=test", "--cov-report=", "--cov-fail-under=0")
MUTANT_WITHIN_S: Final = 120
Reached = dict[tuple[str, int], list[str]]  # the tests that run a line of a file


class Tree:
    """One copy, and what pytest has compiled of it."""

    def __init__(self, place: Path, of: Path = ROOT) -> None:
        self.place = place
        shutil.copytree(of, place, ignore=shutil.ignore_patterns(".*"))

    def run(self, *words: str, within_s: float, **settings: str) -> int | None:
        """The exit code of pytest; None where the time was over."""
        env = os.environ | {"PYTHONPATH": str(self.place), "OPENBLAS_NUM_THREADS": "1"} | settings
        quiet, command = subprocess.DEVNULL, [*PYTEST, *words]
        try:
            return subprocess.call(command, cwd=self.place, env=env, stdout=quiet, timeout=within_s)
        except subprocess.TimeoutExpired:
            return None

    def reached(self) -> Reached:
        """By line, the tests that run it, those first that run the least. Raises SystemExit where one fails."""
        if self.run(*TESTS, *COVERED, within_s=1_800, PYTHONDONTWRITEBYTECODE=""):
            raise SystemExit("a test fails without any mutant")
        data, found, size = CoverageData(str(self.place / ".coverage")), Reached(), Counter[str]()
        data.read()
        for file in data.measured_files():
            path = Path(file).relative_to(self.place).as_posix()
            for line, contexts in data.contexts_by_lineno(file).items():
                tests = {one.rpartition("|")[0] for one in contexts if one}
                found[path, line] = sorted(tests)
                size.update(tests)
        return {line: sorted(tests, key=size.__getitem__) for line, tests in found.items()}

    def notices(self, mutant: Mutant, tests: list[str]) -> bool:
        """Whether one of these tests fails, or does not end, with the mutant in place."""
        path, chosen = self.place / mutant.name[0], self.place / "chosen-tests"
        source, files = path.read_bytes(), sorted({name.partition("::")[0] for name in tests})
        chosen.write_text("\n".join(tests))
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()  # it may be as old, to the second, and as long
        path.write_bytes(mutant.applied(source))
        settings = {CHOSEN: str(chosen), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            code = self.run("-p", PLUGIN, *files, within_s=MUTANT_WITHIN_S, **settings)
        finally:
            path.write_bytes(source)
        if code is not None and code > 2:  # beyond tests that fail, or cannot be collected
            raise SystemExit(f"pytest cannot be run: exit code {code}")
        return code != 0
