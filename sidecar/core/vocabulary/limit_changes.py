"""The differences between two sets of limits, key by key, in words. No I/O."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct, json
from pydantic import BaseModel, TypeAdapter

from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.tightness import TIGHTEST

Way = Literal["tighter", "looser", "other"]
NOT_SET: Final = "not set"
BARE: Final = re.compile(r"[A-Za-z0-9_]+")  # TOML needs no quotes around it
WRITTEN: Final = TypeAdapter(Any)


class LimitChange(Struct, frozen=True, kw_only=True):
    """A key that differs. `other`: neither value can be shown to be tighter, so it counts as looser.

    `path` as the configuration writes it, below `limits`; the values as JSON writes them.
    """

    path: str
    way: Way
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path} {self.before} → {self.after}"


def as_written(limits: Limits) -> dict[str, Any]:
    """Limits as a file would have them: only those that are set."""
    return limits.model_dump(mode="json", exclude_defaults=True)


def changes(
    before: Limits, after: Limits, is_named: Callable[[str], bool] = lambda _name: True
) -> tuple[LimitChange, ...]:
    """Every key that differs. `is_named`: as of `merged`."""
    found: list[LimitChange] = []
    for name in Limits.model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if name == "product":
            found += _of_tables(name, one, other, lambda _name: True)
        elif name == "strategy":
            found += _of_tables(name, one, other, is_named)
        elif name == "shadow" and one is not None and other is not None:
            found += _of_table(f"{name}.", one, other)
        else:
            found += _of_key(name, name, one, other)
    return tuple(found)


def _of_tables(
    path: str,
    before: Mapping[str, BaseModel],
    after: Mapping[str, BaseModel],
    is_known: Callable[[str], bool],
) -> Iterator[LimitChange]:
    for name in {**before, **after}:
        one, other, place = before.get(name), after.get(name), f"{path}.{quoted(name)}"
        if one is not None and other is not None:
            yield from _of_table(f"{place}.", one, other)
        else:
            way: Way = "tighter" if one is None and is_known(name) else "looser"
            yield LimitChange(path=place, way=way, before=as_text(one), after=as_text(other))


def _of_table(path: str, before: BaseModel, after: BaseModel) -> Iterator[LimitChange]:
    for name in type(before).model_fields:
        yield from _of_key(path + name, name, getattr(before, name), getattr(after, name))


def _of_key(path: str, name: str, before: Any, after: Any) -> Iterator[LimitChange]:
    if before == after:
        return
    tightest = TIGHTEST[name]
    way: Way = "other"
    if tightest(before, after) == after:
        way = "tighter"
    elif tightest(after, before) == before:
        way = "looser"
    yield LimitChange(path=path, way=way, before=as_text(before), after=as_text(after))


def quoted(name: str) -> str:
    """A name as TOML writes it in a dotted key."""
    return name if BARE.fullmatch(name) else json.encode(name).decode()


def as_text(value: Any) -> str:
    """A limit's value in words, as the file would have it."""
    if value is None:
        return NOT_SET
    if isinstance(value, LossLimit):
        return str(value)
    plain = WRITTEN.dump_python(value, mode="json", exclude_defaults=True)
    return plain if isinstance(plain, str) else json.encode(plain).decode()
