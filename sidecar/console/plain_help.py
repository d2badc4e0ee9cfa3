"""Commands whose help names no type behind an option that takes no value."""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Verb(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, as the help lists them."""
        return _plain(super().get_params(ctx))


class Verbs(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters, as the help lists them."""
        return _plain(super().get_params(ctx))


def _plain(params: list[Any]) -> list[Any]:
    for one in params:
        if getattr(one, "is_flag", False):
            one.metavar = ""
    return params
