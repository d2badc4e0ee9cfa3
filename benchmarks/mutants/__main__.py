"""Part of `make soak`: changes the core in one place at a time, and names the changes that no unit test notices."""

import argparse
import hashlib
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from benchmarks.mutants.mutations import Mutant, mutants_of
from benchmarks.mutants.trees import ROOT, Tree

PROCESSES: Final = 2
NOTICED_LEAST: Final = 0.97
EQUIVALENT: Final = Path(__file__).with_name("equivalent.toml")


def chosen(count: int, seed: int) -> list[Mutant]:
    """So many mutants, none of which is listed as equivalent. A change of the core changes few of them."""
    known = {tuple(one.values())[:4] for one in tomllib.loads(EQUIVALENT.read_text())["mutant"]}
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / "sidecar/core").rglob("*.py"))
    every = [one for path in paths for one in mutants_of(ROOT, path) if one.name not in known]
    every.sort(key=lambda one: hashlib.sha256(repr((seed, one.name)).encode()).digest())
    return every[:count]


def judged(mutants: list[Mutant]) -> list[bool]:
    """Of each, whether it is noticed."""
    with tempfile.TemporaryDirectory() as place:
        first = Tree(Path(place, "0"))
        reached, trees = first.reached(), SimpleQueue[Tree]()
        for number in range(PROCESSES):
            trees.put(Tree(Path(place, str(number)), of=first.place) if number else first)

        def is_noticed(mutant: Mutant) -> bool:
            lines = ((mutant.name[0], line) for line in mutant.lines)
            tests = list(dict.fromkeys(test for line in lines for test in reached.get(line, ())))
            tree = trees.get()
            try:
                return bool(tests) and tree.notices(mutant, tests)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(PROCESSES) as pool:
            return list(pool.map(is_noticed, mutants))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="mutants to try")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    options = parser.parse_args()
    mutants = chosen(options.count, options.seed)
    noticed = judged(mutants)
    for mutant, is_noticed in zip(mutants, noticed, strict=True):
        if not is_noticed:
            file, function, before, after = mutant.name
            print(f"{file}:{mutant.lines.start} {function}\n    {before}  →  {after}")
    share = sum(noticed) / len(mutants)
    print(
        f"{sum(noticed)} of {len(mutants)} are noticed: {share:.1%}; {NOTICED_LEAST:.0%} are asked for"
    )
    raise SystemExit(int(share < NOTICED_LEAST))


if __name__ == "__main__":
    main()
