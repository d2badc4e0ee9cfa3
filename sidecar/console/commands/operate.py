"""The operators' verbs, over the control socket: `halt`, `reduce-only`, `resume`, `cancel-all`,
`reset-loss`, `reload`, `confirm-loosening`. Each may have a reason, kept beside who and when.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from sidecar.console.asking import (
    NO_REASON,
    TIMEOUT_S,
    AsJson,
    AskConfig,
    AskControl,
    Declined,
    Reason,
    ask,
    control_path,
    tell_reached,
)
from sidecar.console.shown import page
from sidecar.core.vocabulary.errors import Misuse

CANCEL_TIMEOUT_S: Final = 60.0  # the sidecar itself gives up after half of it
EXIT_REFUSED: Final = 1
WINDOWS: Final = ("daily", "weekly", "monthly", "rolling", "cumulative", "drawdown")

Product = Annotated[
    str | None, typer.Option("--product", metavar="ID", help="Only for this product's asset.")
]
Strategy = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="Only for this strategy.")
]
CancelAdding = Annotated[
    bool,
    typer.Option(
        "--cancel-adding", help="Cancel the open orders that add risk, and those that appear later."
    ),
]


def halt(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    reason: Reason = NO_REASON,
    cancel_adding: CancelAdding = False,
    abort_liquidation: Annotated[
        bool,
        typer.Option("--abort-liquidation", help="End a flattening that is under way, too."),
    ] = False,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Let no order pass until resume; open orders stay, unless asked otherwise."""
    where = control_path(config, control_socket)
    asked = {"abort_liquidation": abort_liquidation, "cancel_adding": cancel_adding}
    _carry_out("halt", reason, where, as_json=as_json, **asked)


def reduce_only(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    reason: Reason = NO_REASON,
    product: Product = None,
    strategy: Strategy = None,
    cancel_adding: CancelAdding = False,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Let only reducing orders pass until resume."""
    _check_scope("reduce-only", product, strategy)
    where = control_path(config, control_socket)
    asked = {"product_id": product, "strategy_id": strategy, "cancel_adding": cancel_adding}
    _carry_out("reduce_only", reason, where, as_json=as_json, **asked)


def resume(
    reason: Reason = NO_REASON,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Lift what may be lifted; name what remains, with its mend."""
    _carry_out("resume", reason, control_path(config, control_socket), as_json=as_json)


def cancel_all(
    reason: Reason = NO_REASON,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Cancel every open order of the account, and see them gone."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second

    where = control_path(config, control_socket)
    with Console(stderr=True).status("cancelling; this may take half a minute"):
        answer = _asked("cancel_all", reason, where, CANCEL_TIMEOUT_S)
    _tell(answer, where, as_json=as_json)


def reset_loss(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    window: Annotated[
        str | None,
        typer.Argument(metavar="|".join(WINDOWS), help="Which loss.", show_default=False),
    ] = None,
    reason: Reason = NO_REASON,
    product: Product = None,
    strategy: Strategy = None,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Let a loss count anew from now: of the account and every product and strategy, or of one alone.

    What it had set off is lifted, or can be with resume.
    """
    if window not in WINDOWS:
        given = "no loss was named" if window is None else f"no loss is called {window[:40]!r}"
        raise Misuse(f"{given}; write reset-loss {', '.join(WINDOWS[:-1])} or {WINDOWS[-1]}")
    _check_scope("reset-loss", product, strategy)
    where = control_path(config, control_socket)
    asked = {"window": window, "product_id": product, "strategy_id": strategy}
    _carry_out("reset_loss", reason, where, as_json=as_json, **asked)


def reload(
    reason: Reason = NO_REASON,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Read the sidecar's configuration anew: its limits bind, looser ones when loosen_after lets them."""
    _carry_out("reload", reason, control_path(config, control_socket), as_json=as_json)


def confirm_loosening(
    reason: Reason = NO_REASON,
    config: AskConfig = None,
    control_socket: AskControl = None,
    as_json: AsJson = False,
) -> None:
    """Let queued limits bind at once, as a second user beside the one who had them read."""
    where = control_path(config, control_socket)
    _carry_out("confirm_loosening", reason, where, as_json=as_json)


def _check_scope(verb: str, product: str | None, strategy: str | None) -> None:
    if product is not None and strategy is not None:
        raise Misuse(f"{verb} takes --product or --strategy, not both; ask twice")


def _carry_out(method: str, reason: str, where: Path, *, as_json: bool, **params: Any) -> None:
    _tell(_asked(method, reason, where, TIMEOUT_S, **params), where, as_json=as_json)


def _asked(method: str, reason: str, where: Path, timeout_s: float, **params: Any) -> bytes:
    """The answer. A refusal of the sidecar is one too: done is false."""
    tell_reached(where)
    try:
        return ask(where, method, timeout_s, reason=reason, **params)
    except Declined as declined:
        return msgspec.json.encode({"done": False, "text": str(declined)})


def _tell(answer: bytes, where: Path, *, as_json: bool) -> None:
    row = msgspec.json.decode(answer)
    if as_json:
        typer.echo(answer)
    else:
        from sidecar.console.shown import render_answers  # noqa: PLC0415 - not needed with --json

        state = row.get("state") or msgspec.json.decode(ask(where, "status"))["state"]
        if "text" in row:  # a faulty configuration is a line a fault
            row["text"] = "; ".join(row["text"].splitlines())
        page.show(row, lambda view, _width: render_answers.answer(view, state))
    if not row["done"]:
        raise typer.Exit(EXIT_REFUSED)
