"""The manager's parts, attribute by attribute: what each instance holds, found by walking from the manager."""

from collections import deque
from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields
from pydantic import BaseModel

PLAIN = (str, bytes, bool, int, float, Decimal, datetime, timedelta, Enum, type(None), type)

Name = str  # class and attribute: "Wallet.total"


def attributes(root: object, skipped: Set[Name] = frozenset()) -> dict[Name, dict[str, Any]]:
    """By class and attribute: what each instance's is, by its path from the root. An object of the core that
    can change is entered, and stands in its owner's attribute as its class's name; of what several own,
    the first path counts. `skipped` are not entered.
    """
    found: dict[Name, dict[str, Any]] = {}
    _enter(root, "manager", found, set(), skipped)
    return found


def _enter(
    one: object, path: str, found: dict[Name, dict[str, Any]], seen: set[int], skipped: Set[Name]
) -> None:
    seen.add(id(one))
    for attribute in _names(one):
        name = f"{type(one).__name__}.{attribute}"
        value = getattr(one, attribute, None)
        if not callable(value) and not attribute.startswith("__"):
            here = f"{path}.{attribute}"
            entered = value if name not in skipped else None
            found.setdefault(name, {})[here] = _plain(entered, here, found, seen, skipped)


def _names(one: object) -> list[str]:
    if isinstance(one, Struct):
        return list(one.__struct_fields__)
    slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*slots, *getattr(one, "__dict__", {})]


def _plain(
    value: Any, path: str, found: dict[Name, dict[str, Any]], seen: set[int], skipped: Set[Name]
) -> Any:
    """The value, with objects of the core entered and named instead."""
    inside = (found, seen, skipped)
    if isinstance(value, PLAIN) or _is_frozen(value):
        return value
    if isinstance(value, Mapping):
        keys = sorted(value, key=str)
        return {str(key): _plain(value[key], f"{path}[{key}]", *inside) for key in keys}
    if isinstance(value, Set):
        return sorted(map(str, value))
    if isinstance(value, list | tuple | deque):
        return [_plain(each, f"{path}[{n}]", *inside) for n, each in enumerate(value)]
    if id(value) not in seen and type(value).__module__.startswith("sidecar.core"):
        _enter(value, path, *inside)
    return type(value).__name__


def defaults(*kinds: type[Struct]) -> dict[Name, Any]:
    """What each field of these is when nobody has set it."""
    return {
        f"{kind.__name__}.{field.name}": field.default_factory()
        if field.default_factory is not NODEFAULT
        else field.default
        for kind in kinds
        for field in fields(kind)
    }


def _is_frozen(value: object) -> bool:
    if isinstance(value, BaseModel):
        return bool(value.model_config.get("frozen"))
    return isinstance(value, Struct) and bool(value.__struct_config__.frozen)
