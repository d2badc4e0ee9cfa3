"""The generated tables of `docs/paper-exchange.md`: routes and faults, from the code. No I/O."""

import re
from collections.abc import Iterable

from sidecar.config.paper_faults import Faults
from sidecar.paper.service.keys import Scope
from sidecar.paper.service.routes import BROKERAGE, Route


def filled(page: str) -> str:
    """The page with its generated tables as the code is now."""
    for name, lines in (("routes", _routes()), ("faults", _faults())):
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- /{name} -->"
        block = f"{begin}{''.join(lines)}{end}"
        pattern = f"{begin}.*?{end}"
        page = re.sub(pattern, block.replace("\\", r"\\"), page, count=1, flags=re.DOTALL)
    return page


def _routes() -> Iterable[str]:
    yield "| call | scope |\n|---|---|\n"
    for route in BROKERAGE:
        yield f"| `{route.method} {route.path}` | {_scope(route)} |\n"


def _scope(route: Route) -> str:
    if route.scope is None:
        return "–"
    return ", ".join(scope.name.lower() for scope in Scope if scope in route.scope if scope.name)


def _faults() -> Iterable[str]:
    yield "| switch | what happens |\n|---|---|\n"
    for name, field in Faults.model_fields.items():
        yield f"| `{name}` | {field.description} |\n"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    target = Path(sys.argv[1])
    target.write_text(filled(target.read_text(encoding="utf-8")), encoding="utf-8")
