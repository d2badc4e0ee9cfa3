"""Daily closes for a backtest: from CSV files, or from the history that the sidecar has cached.

The cache is the state file: the closes that value at risk was last computed with.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import Final

from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.money import is_sane
from sidecar.core.vocabulary.products import DOLLARS

Closes = Mapping[date, float]  # USD, by UTC day, the oldest first

COLUMNS: Final = "give a UTF-8 file with the columns date,close"
STATE_FILE: Final = "state.json"
DAY_S: Final = 86_400


def cached(state_dir: Path) -> dict[str, Closes]:
    """The history that the sidecar keeps in its state directory, by product. Raises Misuse."""
    from sidecar.storage.codec import StateFileError  # noqa: PLC0415 - half a second: numpy, scipy
    from sidecar.storage.snapshot import read_state  # noqa: PLC0415

    try:
        saved = read_state(state_dir / STATE_FILE)
    except StateFileError as fault:
        raise Misuse(f"{fault}; or give --csv FILE") from None
    risk = saved.manager.risk if saved is not None and saved.manager is not None else None
    if risk is None or not any(one.closes for one in risk.series.values()):
        raise Misuse(
            f"{state_dir}: no history is cached yet; give --csv FILE, or let the sidecar run for a"
            " minute first"
        )
    if risk.period_s != DAY_S:
        raise Misuse(
            f"{state_dir}: the history is not of days ([var] period); give --csv FILE with daily closes"
        )
    return {
        book: {
            datetime.fromtimestamp((one.first + number) * DAY_S, UTC).date(): close
            for number, close in enumerate(one.closes)
        }
        for book, one in sorted(risk.series.items())
        if one.closes and book.rpartition("-")[2] in DOLLARS  # others are not of USD
    }


def read_files(files: Iterable[str]) -> dict[str, Closes]:
    """By product. Raises Misuse."""
    closes = dict[str, Closes]()
    for text in files:
        name, separator, path = text.partition("=")
        if not separator or "/" in name:  # a path may hold the sign too
            name, path = Path(text).stem, text
        if name in closes:
            raise Misuse(f"--csv {name} is given twice; name the product: --csv PRODUCT=FILE")
        closes[name] = _file(Path(path))
    return closes


def _file(path: Path) -> Closes:
    """Raises Misuse."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(path, csv.DictReader(file))
    except OSError as error:
        raise Misuse(f"--csv {path}: {error.strerror}; {COLUMNS}") from None
    except (UnicodeDecodeError, csv.Error):
        raise Misuse(f"--csv {path} cannot be read; {COLUMNS}") from None


def _rows(path: Path, rows: "csv.DictReader[str]") -> Closes:
    if not {"date", "close"} <= set(rows.fieldnames or ()):
        raise Misuse(f"--csv {path} has other columns; {COLUMNS}")
    closes, last = dict[date, float](), date.min
    for row in rows:
        where = f"--csv {path}, line {rows.line_num}"
        if None in row or None in row.values():
            raise Misuse(f"{where}: write as many fields as the first line has")
        try:
            day = date.fromisoformat(row["date"])
        except ValueError:
            raise Misuse(f"{where}: {row['date'][:40]!r} is no date; write 2018-12-24") from None
        close = number(row["close"])
        if close is None or float(close) <= 0:
            raise Misuse(
                f"{where}: {row['close'][:40]!r} is no price; write one above 0, or drop the day"
            )
        if day <= last:
            wrong = "is there twice" if day in closes else "comes after a later day"
            raise Misuse(f"{where}: {day} {wrong}; sort the file by date, one line a day")
        closes[day], last = float(close), day
    return closes


def number(text: str) -> Decimal | None:
    """A finite number; None where there is none."""
    try:
        number = Decimal(text)
    except DecimalException:
        return None
    return number if is_sane(abs(number)) else None
