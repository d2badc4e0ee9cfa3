"""The shape of the configuration file, read off the models' JSON Schema. No I/O.

One walk serves the suggestions for unknown keys, the commented example and the reference page, so
that none of them can name a key that does not exist.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sidecar.config.tables import Config

Schema = Mapping[str, Any]

BOUNDS: Final = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
}
# A loss is written as one value; its form in memory is internal.
LOSS: Final[Schema] = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^\s*[0-9.eE+]+\s*(USD\s*)?$"},
    ],
    "title": "LossLimit",
    "x-kind": 'ratio > 0, ≤ 1, or "500 USD"',
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the values it takes, and its default."""

    name: str
    kind: str
    description: str
    default: object | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `keyed` when the file puts a name of the user's between it and its keys."""

    name: str
    description: str
    keyed: bool
    keys: tuple[Key, ...]
    tables: tuple["Table", ...]

    def names(self) -> list[str]:
        return [key.name for key in self.keys] + [table.name for table in self.tables]

    def table(self, name: str) -> "Table | None":
        return next((table for table in self.tables if table.name == name), None)


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors and for the walk below."""
    schema = Config.model_json_schema()
    schema["$defs"]["LossLimit"] = dict(LOSS)
    _place_bounds(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "risk-sidecar configuration",
    }


@cache
def outline() -> Table:
    """The whole file, as tables of keys."""
    schema = config_schema()
    return _table("", schema, schema["$defs"], keyed=False)


def find(root: Table, path: Sequence[str]) -> Table | None:
    """The table that holds the keys at `path`, where a user's own name fills each keyed step."""
    table: Table | None = root
    steps = iter(path)
    for step in steps:
        table = table.table(step) if table else None
        if table is not None and table.keyed:
            next(steps, None)
    return table


def homes(root: Table, key: str) -> Iterator[str]:
    """The tables that do have `key`, those at the top first; of those that the user names, as NAME."""
    yield from (table.name for table in root.tables if key in table.names())
    for table in root.tables:
        for nested in table.tables:
            if key in nested.names():
                yield f"{table.name}.{nested.name}{'.NAME' if nested.keyed else ''}"


# --------------------------------------------------------------------------------- reading a schema


def _place_bounds(node: object) -> None:
    """Pydantic leaves the bounds of a validated Decimal beside `anyOf`; they belong within."""
    if isinstance(node, list):
        for item in node:
            _place_bounds(item)
    if not isinstance(node, dict):
        return
    for branch in node.get("anyOf", ()):
        if branch.get("type") == "number":
            branch.update({BOUNDS[name]: node[name] for name in BOUNDS if name in node})
    if "anyOf" in node:
        for name in (*BOUNDS, "max_digits"):
            node.pop(name, None)
    for item in node.values():
        _place_bounds(item)


def _table(name: str, schema: Schema, defs: Schema, *, keyed: bool) -> Table:
    keys: list[Key] = []
    tables: list[Table] = []
    for child, spec in schema.get("properties", {}).items():
        inner, inner_keyed = _nested(spec, defs)
        if inner is not None:
            tables.append(_table(child, {**inner, **_described(spec)}, defs, keyed=inner_keyed))
        else:
            kind, default = _kind(spec, defs), spec.get("default")
            keys.append(Key(child, kind, spec.get("description", ""), default))
    return Table(name, schema.get("description", ""), keyed, tuple(keys), tuple(tables))


def _described(spec: Schema) -> Schema:
    return {"description": spec["description"]} if "description" in spec else {}


def _nested(spec: Schema, defs: Schema) -> tuple[Schema | None, bool]:
    """The table behind a property, if there is one, and whether the user names its members."""
    for option in (spec, *_options(spec)):
        if (found := _resolve(option, defs)).get("properties") is not None:
            return found, False
        members = _resolve(option.get("additionalProperties") or {}, defs)
        if members.get("properties") is not None:
            return members, True
    return None, False


def _options(spec: Schema) -> Sequence[Schema]:
    return [*spec.get("anyOf", ()), *spec.get("oneOf", ())]


def _resolve(spec: object, defs: Schema) -> Schema:
    if not isinstance(spec, Mapping):
        return {}
    reference = spec.get("$ref")
    return defs[reference.rpartition("/")[2]] if reference else spec


def _kind(spec: Schema, defs: Schema) -> str:
    """The values that may be written, in words."""
    spec = _resolve(spec, defs)
    if "x-kind" in spec:
        return str(spec["x-kind"])
    options = [_resolve(option, defs) for option in _options(spec)]
    number = next((option for option in options if option.get("type") == "number"), None)
    if number is not None:  # a decimal may also be written as text, which needs no mention
        return _kind(number, defs)
    if options:
        words = (_kind(option, defs) for option in options if option.get("type") != "null")
        return " or ".join(words)
    return _plain_kind(spec, defs)


def _plain_kind(spec: Schema, defs: Schema) -> str:
    if "enum" in spec:
        return " or ".join(json.dumps(choice) for choice in spec["enum"])
    if "const" in spec:
        return f'"{spec["const"]}"'
    match spec.get("type"):
        case "array":
            return f"list of {_kind(spec.get('items', {}), defs)}"
        case "object":
            return f"name = {_kind(spec.get('additionalProperties', {}), defs)}"
        case "number" | "integer" as kind:
            return ("number" if kind == "number" else "whole number") + _bounds(spec)
        case "boolean":
            return "true or false"
    return "path" if spec.get("format") == "path" else "text"


def _bounds(spec: Schema) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {spec[name]:.15g}" for name, sign in signs.items() if name in spec]
    return f" {', '.join(bounds)}" if bounds else ""
