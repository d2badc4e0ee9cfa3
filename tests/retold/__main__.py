"""Writes the records anew: `python -m tests.retold`, or only those of the histories that are named."""

import sys

from tests.retold.histories import HISTORIES
from tests.retold.retelling import RECORDS, record_of, written


def main(names: list[str]) -> None:
    """Write them, and remove records of histories that are gone."""
    RECORDS.mkdir(exist_ok=True)
    for path in RECORDS.glob("*.txt"):
        if path.stem not in HISTORIES:
            path.unlink()
    for name in names or HISTORIES:
        record_of(name).write_text(written(HISTORIES[name]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
