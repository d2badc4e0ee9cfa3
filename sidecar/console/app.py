"""The command `risk-sidecar`: its verbs, its exit codes, and one-line errors that name the mend.

Exit codes: 0 done, 1 refused or check failed, 2 usage or cannot connect, 3 halted by its own fault.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from sidecar.console.commands.alert import try_alerts
from sidecar.console.commands.check import check
from sidecar.console.commands.demo import demo
from sidecar.console.commands.flatten import flatten
from sidecar.console.commands.init import init
from sidecar.console.commands.journal import replay, show, verify
from sidecar.console.commands.operate import (
    cancel_all,
    confirm_loosening,
    halt,
    reduce_only,
    reload,
    reset_loss,
    resume,
)
from sidecar.console.commands.paper import paper
from sidecar.console.commands.run import run
from sidecar.console.commands.validate import validate
from sidecar.console.commands.var_backtest import backtest
from sidecar.console.commands.var_report import report
from sidecar.console.commands.views import limits, positions, status
from sidecar.console.plain_help import Verb, Verbs
from sidecar.core.vocabulary.errors import Misuse
from sidecar.escaping import indented
from sidecar.secrecy import looks_secret, struck

PROGRAM: Final = "risk-sidecar"
DISTRIBUTION: Final = "coinbase-risk-sidecar"
EXIT_USAGE: Final = 2

# Before a module imports numpy: the matrices are small, and threads of BLAS would spin beside the
# loop.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    name=PROGRAM,
    cls=Verbs,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # a fault of ours is reported by its plain traceback
    rich_markup_mode="rich",
)
# Every verb, by the heading under which `-h` lists it.
VERBS: Final[dict[str, tuple[Callable[..., None], ...]]] = {
    "Run": (init, run, demo, paper),
    "Ask": (validate, status, positions, limits, check),
    "Operate": (
        halt,
        reduce_only,
        resume,
        flatten,
        cancel_all,
        reset_loss,
        reload,
        confirm_loosening,
    ),
}
for heading, verbs in VERBS.items():
    for verb in verbs:
        app.command(verb.__name__.replace("_", "-"), cls=Verb, rich_help_panel=heading)(verb)
journal = typer.Typer(cls=Verbs, help="Read, verify and re-run the decision journal.")
app.add_typer(journal, name="journal", rich_help_panel="Files")
for verb in (show, verify, replay):
    journal.command(verb.__name__, cls=Verb)(verb)
var = typer.Typer(
    cls=Verbs, help="Value at risk: of the portfolio now, and how well its models fit."
)
app.add_typer(var, name="var", rich_help_panel="Ask")
for verb in (report, backtest):
    var.command(verb.__name__, cls=Verb)(verb)
alert = typer.Typer(cls=Verbs, help="Whether somebody is woken.")
app.add_typer(alert, name="alert", rich_help_panel="Operate")
alert.callback()(lambda: None)  # a group, though of one command
alert.command("test", cls=Verb)(try_alerts)
config = typer.Typer(cls=Verbs, help="What the configuration file may hold.")
app.add_typer(config, name="config", rich_help_panel="Files")


def main() -> None:
    """Run the command line; the process ends with one of the exit codes above."""
    _strike_reasons(sys.argv)
    if any(map(looks_secret, sys.argv[1:])):
        _complain(
            f"{PROGRAM}: an argument looks like a key, and was not read: other users see command lines, and"
            " the shell keeps them. Revoke that key at Coinbase, and name the file of a new one with"
            " coinbase.key_file"
        )
        sys.exit(EXIT_USAGE)
    try:
        code = app(prog_name=PROGRAM, standalone_mode=False)
    except TyperException as error:
        _complain(_usage_line(error))
        sys.exit(EXIT_USAGE)
    except Misuse as error:  # a faulty configuration is a line a fault, each with its mend
        _complain(f"{PROGRAM}: {error}")
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(code or 0)


def _strike_reasons(arguments: list[str]) -> None:
    """A reason that looks like a key holds up no verb: it goes on without that part."""
    for place, argument in enumerate(arguments):
        is_reason = argument.startswith("--reason=") or arguments[place - 1] == "--reason"
        if is_reason and looks_secret(argument):
            arguments[place] = struck(argument)
            _complain(f"{PROGRAM}: what looks like a key was struck out of the reason")


def _usage_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    message = " ".join(error.format_message().split()).rstrip(".")
    end = "" if message.endswith("?") else "."
    return f"{PROGRAM}: {message}{end} Try: {command} -h"


def _complain(text: str) -> None:
    """Say it where the stream still has a reader; the exit code says it too."""
    with suppress(OSError):
        sys.stderr.write(indented(struck(text), "  ") + "\n")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {metadata.version(DISTRIBUTION)}")
        raise typer.Exit


def _help_if_bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(EXIT_USAGE)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """A separate process that answers "may I send this order?" and can flatten the account."""
    _help_if_bare(context)


@journal.callback(invoke_without_command=True)
def _journal(context: typer.Context) -> None:
    _help_if_bare(context)


@var.callback(invoke_without_command=True)
def _var(context: typer.Context) -> None:
    _help_if_bare(context)


@config.callback(invoke_without_command=True)
def _config(context: typer.Context) -> None:
    _help_if_bare(context)


@config.command("schema", cls=Verb)
def config_json_schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from sidecar.config.outline import config_schema  # noqa: PLC0415 - most verbs need no configuration

    typer.echo(json.dumps(config_schema(), indent=2, ensure_ascii=False))


@config.command("example", cls=Verb)
def config_example() -> None:
    """Print a commented configuration file, ready to edit."""
    from sidecar.config.example import example  # noqa: PLC0415

    typer.echo(example(), nl=False)
