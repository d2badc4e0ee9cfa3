"""`risk-sidecar validate`: one order to the order socket, as a bot asks."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from sidecar.console.asking import AsJson, AskConfig, AskOrder, ask, order_path
from sidecar.console.shown import page
from sidecar.core.vocabulary.errors import Misuse

ORDER_BYTES_MAX: Final = 64 * 1024  # a line of the socket's language holds no more
REST_BYTES: Final = 512  # of that line, beside the order
EXIT_REFUSED: Final = 1
STDIN: Final = "-"


def validate(  # noqa: PLR0913, PLR0917 - the options of the command, one each
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="The order; - or nothing: standard input.")
    ] = STDIN,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="The strategy that asks.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge only: reserve nothing, count nothing.")
    ] = False,
    config: AskConfig = None,
    order_socket: AskOrder = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether one order may be sent, as a bot does.

    The order is the JSON that Coinbase's create-order call takes.

    An approval reserves room until the order is seen or the approval lapses; --dry-run does not.

    Exit 0: approved; 1: refused; 2: could not be asked.
    """
    order = _order(file)
    params: dict[str, Any] = {"order": order, "strategy_id": strategy, "dry_run": dry_run}
    answer = ask(order_path(config, order_socket), "validate_order", **params)
    decision = msgspec.json.decode(answer)
    if as_json:
        typer.echo(answer)
    else:
        from sidecar.console.shown import render_answers  # noqa: PLC0415 - not needed with --json

        product_id = str(json.loads(bytes(order)).get("product_id", ""))
        page.show(
            decision,
            lambda view, _width: render_answers.decision(
                view, dry_run=dry_run, product_id=product_id
            ),
        )
    if not decision["approved"]:
        raise typer.Exit(EXIT_REFUSED)


def _order(file: str) -> msgspec.Raw:
    """The JSON object in the file on one line, its numbers as they were written. Raises Misuse."""
    name, content = _read(file)
    if len(content) > ORDER_BYTES_MAX:
        raise Misuse(_too_large(file))
    if not content.strip():
        raise Misuse(f"{name} is empty; write the JSON of one create-order call")
    try:
        order, line = json.loads(content), msgspec.json.format(content, indent=-1)
    except UnicodeDecodeError:
        raise Misuse(f"{name} is not UTF-8; write the JSON of one create-order call") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Misuse(f"{name} is not JSON ({error.msg}, {where}); fix it there") from None
    except (RecursionError, ValueError, msgspec.DecodeError):
        raise Misuse(f"{name} holds what no order can; write one create-order call") from None
    if not isinstance(order, dict):
        raise Misuse(f"{name} is not a JSON object; write the JSON of one create-order call")
    if len(line) > ORDER_BYTES_MAX - REST_BYTES:
        raise Misuse(_too_large(file))
    return msgspec.Raw(line)


def _read(file: str) -> tuple[str, bytes]:
    if file == STDIN:
        return "standard input", sys.stdin.buffer.read(ORDER_BYTES_MAX + 1)
    try:
        with Path(file).open("rb") as source:
            return file, source.read(ORDER_BYTES_MAX + 1)
    except OSError as error:
        raise Misuse(
            f"{file}: {error.strerror}; name a file with one order, or - for standard input"
        ) from None


def _too_large(file: str) -> str:
    name = "standard input" if file == STDIN else file
    return f"{name} is larger than 64 KiB, which no order is; give one create-order call"
