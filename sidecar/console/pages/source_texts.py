"""The texts in a program's source: the arguments of each call of some names, as far as the source shows. No I/O."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

# The place of an argument: its position, or its name.
Place = int | str | None
Inner = ast.FunctionDef | ast.AsyncFunctionDef
DEPTH = 2  # names of names


class Said(Struct, frozen=True):
    """One call: the name of the function, and its arguments as texts, with each value filled in as `{name}`."""

    call: ast.Call
    name: str
    named: Mapping[str, list[ast.expr]]

    def texts(self, place: Place) -> Iterator[str]:
        """All that may stand in this place."""
        given: ast.expr | None = None
        if isinstance(place, str):
            given = next((one.value for one in self.call.keywords if one.arg == place), None)
        elif place is not None and place < len(self.call.args):
            given = self.call.args[place]
        return _texts(given, self.named, DEPTH)


def said(source: str, names: Collection[str]) -> Iterator[Said]:
    """Every call of one of these names."""
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, Inner))]
    constants = _constants(tree)
    for body in bodies:
        nodes = sorted(_own(body), key=lambda node: (node.lineno, node.col_offset))
        assigned = dict(constants)
        used: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Assign | ast.AugAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        # Once it was said, its value of before does not count any more.
                        before = [] if target.id in used else assigned.get(target.id, [])
                        assigned[target.id] = [*before, node.value]
                        used.discard(target.id)
            elif isinstance(node, ast.Call) and (name := name_of(node.func)) in names:
                yield Said(node, name, {one: list(values) for one, values in assigned.items()})
                used |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _constants(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """The names that a module gives a value once and for all."""
    return {
        node.target.id: [node.value]
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
    }


def name_of(function: ast.expr) -> str:
    """The last name of a function."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _own(body: Iterable[ast.stmt]) -> Iterator[ast.stmt | ast.expr]:
    """All statements and expressions of a body but for those of functions within."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, Inner):
            continue
        if isinstance(node, ast.stmt | ast.expr):
            yield node
        pending += ast.iter_child_nodes(node)


def _texts(
    value: ast.expr | None, named: Mapping[str, list[ast.expr]], depth: int
) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(map(_part, parts))
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, named, depth)
            yield from _texts(other, named, depth)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            firsts, seconds = (
                list(_texts(side, named, depth)) or [_filled(side)] for side in (left, right)
            )
            yield from (one + other for one in firsts for other in seconds)
        case ast.Name(id=name) if depth:
            for one in named.get(name, ()):
                yield from _texts(one, named, depth - 1)


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    return _filled(part.value if isinstance(part, ast.FormattedValue) else part)


def _filled(value: ast.expr) -> str:
    """A value that is filled in, by the first name in it that is not called."""
    called = {name_of(one.func) for one in ast.walk(value) if isinstance(one, ast.Call)} | {"self"}
    names = [name_of(one) for one in ast.walk(value) if isinstance(one, ast.Attribute | ast.Name)]
    kept = [name for name in names if name not in called] or sorted(called - {"self"}) or ["…"]
    name = kept[0].strip("_").replace("_", " ").lower()
    return "{fix}" if name == "mend" else f"{{{name}}}"
