"""Which questions come from one bot, for the share of limits that each may use. No I/O.

A bot is known by its name, where the configuration has that; any other name may be made up anew with every connection,
and does not count. A bot without a name is its user; the user of a single bot is that bot, with or without a hello.
"""

from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary.events import Asker


def bot_of(settings: Settings, asker: Asker | None) -> str:
    """The bot behind a question, in words; empty where the asker is not known, as in library use."""
    if asker is None:
        return ""
    name = asker.name if asker.name in settings.named_bots else settings.bot_of_user.get(asker.uid)
    return f"user {asker.uid}" if name is None else f"bot {name}"
