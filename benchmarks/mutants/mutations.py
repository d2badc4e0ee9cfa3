"""What may be changed: each place in the core's functions that one small fault may be at, and the text with it.

Left out is what no test need hold: docstrings and annotations, words for people, assertions, and all that
runs when a module is imported.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

SWAPPED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
CALLED: Final = {"min": "max", "max": "min"}
WORDS: Final = {"text", "reason", "message", "words"}  # keywords whose values are for people
ASSERTED: Final = {"strict"}  # of zip: that both are as long is an assertion
SAID: Final = (ast.Assert, ast.Raise, ast.JoinedStr, ast.arguments)


@dataclass(frozen=True)
class Mutant:
    """One change of one file: what stands at these bytes, and what is to. `name`: it outlives lines that move."""

    name: tuple[str, str, str, str]  # file, function, what stands there, what would
    lines: range
    start: int
    end: int

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.name[3].encode() + source[self.end :]


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """Every mutant of the module at this path below `root`."""
    source, found = (root / path).read_bytes(), list[Mutant]()
    starts = [0, *accumulate(map(len, source.splitlines(keepends=True)))]
    for function, node in _places(ast.parse(source), "", runs=False):
        for changed in _changed(node):
            form = "({})" if isinstance(changed, ast.expr) else "{}"
            first, last = node.lineno, node.end_lineno
            start, end = starts[first - 1] + node.col_offset, starts[last - 1] + node.end_col_offset
            texts = ast.unparse(node), form.format(ast.unparse(changed))
            found.append(
                Mutant((path.as_posix(), function, *texts), range(first, last + 1), start, end)
            )
    return found


def _places(node: ast.AST, function: str, *, runs: bool) -> Iterator[tuple[str, Any]]:
    """Every statement and expression that runs in a function, with that one's name."""
    for field, value in ast.iter_fields(node):
        if field in {"decorator_list", "returns", "annotation"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            is_said = isinstance(child, SAID) or getattr(child, "arg", None) in WORDS | ASSERTED
            if is_said or not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{function}.{child.name}".lstrip(".")
                yield from _places(child, inside, runs=isinstance(child, ast.FunctionDef))
                continue
            if runs:
                yield function, child
            yield from _places(child, function, runs=runs or isinstance(child, ast.Lambda))


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """The faults that a node may have."""
    match node:
        case ast.Compare(ops=ops):
            for place, sign in enumerate(ops):
                if (other := SWAPPED.get(type(sign))) is not None:
                    yield _replaced(node, ops=[*ops[:place], other(), *ops[place + 1 :]])
        case ast.BinOp(op=sign) | ast.AugAssign(op=sign) | ast.BoolOp(op=sign):
            if (other := SWAPPED.get(type(sign))) is not None:
                yield _replaced(node, op=other())
        case ast.Constant(value=bool() | int() as value):
            near = [not value] if isinstance(value, bool) else [value + 1, value - 1]
            yield from map(ast.Constant, near)
        case ast.Call(func=ast.Name(id=name)) if name in CALLED:
            yield _replaced(node, func=ast.Name(CALLED[name]))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()


def _replaced(node: ast.AST, **fields: Any) -> ast.AST:
    return type(node)(**(vars(node) | fields))
