"""docs/rules.md, generated from the rules themselves and from the examples that run as tests. No I/O.

`python -m sidecar.console.pages.rules_page docs/rule-examples.toml` prints it (`make docs` writes it).
"""

import tomllib
from typing import Any, Final

from msgspec.structs import replace

from sidecar.config.example import SEEDS
from sidecar.core.judging.rules import OTHER_CODES, RULES
from sidecar.core.judging.rules.rule import Doc, Gate, Measured
from sidecar.core.vocabulary.limits import Limits

HEAD: Final = """\
# Rules

*Generated from the rules and their examples by `make docs`; a test holds this page to them.*

Every order is judged by all rules, and all broken ones are listed. Only configured limits apply. A limit may be set
for the whole account (`[limits]`), for one product's exposure key (`[limits.product."BTC-USD"]`) or for one strategy
(`[limits.strategy.NAME]`); the narrower adds to the wider and never loosens it. `[limits.shadow]` takes the account's
limits once more: they are evaluated and shown as warnings, not enforced.

**E** of a key is the larger of |long| and |short|: the position if all open and reserved buys filled, and if all sells
did. **Reducing** orders oppose the position and are, with everything already offered on their side, not larger than
it; they need not keep the rules marked *exempt*. Sizes, counts and exposures break beyond the limit; losses, VaR and
drawdown break at it. A limit used to 70 % or more is a warning.

"""


SHIPPED: Final[dict[str, Any]] = tomllib.loads(SEEDS)["limits"]


def rules_page(examples: str) -> str:
    """The whole page. `examples` is the text of docs/rule-examples.toml."""
    by_code = {example["code"]: example for example in tomllib.loads(examples)["example"]}
    text = (
        HEAD
        + "| code | limit | breaks when | at the boundary | reducing orders |\n|---|---|---|---|---|\n"
    )
    text += "".join(row for code in by_code for row in _rows(code))
    text += "\n## Worked examples\n\n"
    text += "The account begins with 100,000 USD and BTC-USD quoted at 64000, ETH-USD at 2000.\n\n"
    text += "| code | with | given | order | observed | limit | passes |\n|---|---|---|---|---|---|---|\n"
    return text + "".join(_example(example) for example in by_code.values())


def _rows(code: str) -> list[str]:
    if code in OTHER_CODES:
        return [_cells(code, OTHER_CODES[code], exempt=None)]
    return [_row(rule) for rule in RULES if rule.code == code]


def _row(rule: Gate | Measured) -> str:
    doc = rule.doc if isinstance(rule, Gate) else replace(rule.doc, key=rule.limit)
    return _cells(rule.code, doc, exempt=rule.exempt_if_reducing)


def _limit(name: str) -> str:
    """The key, what applies when it is not set, and what the shipped configurations set."""
    if not name:
        return "–"
    field = Limits.model_fields.get(name)
    if field is None:
        return f"`{name}` (of a strategy)"
    default, shipped = field.default, SHIPPED.get(name)
    notes = [] if default in (None, (), False) else [f"default {default}"]
    notes += [] if shipped is None else [f"shipped {shipped}"]
    return f"`{name}`" + (f" ({', '.join(notes)})" if notes else "")


def _cells(code: str, doc: Doc, *, exempt: bool | None) -> str:
    reducing = {True: "exempt", False: "–", None: "as it says" if code == "CUSTOM" else "–"}[exempt]
    return _table_row(f"`{code}`", _limit(doc.key), doc.breaks_when, doc.boundary, reducing)


def _example(example: dict[str, Any]) -> str:
    given = "; ".join(example.get("given", [])) or "–"
    cells = (example.get(name) for name in ("observed", "limit", "passes"))
    limits = f"`{example['limits']}`" if "limits" in example else "–"
    return _table_row(
        f"`{example['code']}`",
        limits,
        given,
        f"`{example['order']}`",
        *(cell or "–" for cell in cells),
    )


def _table_row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.stdout.write(rules_page(Path(sys.argv[1]).read_text(encoding="utf-8")))
