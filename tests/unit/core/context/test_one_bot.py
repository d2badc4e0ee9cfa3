"""Who counts as one bot."""

import pytest

from sidecar.core.context.one_bot import bot_of
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary.events import Asker

SETTINGS = Settings(named_bots=frozenset({"grid", "momo"}), bot_of_user={1001: "grid"})


@pytest.mark.parametrize(
    ("asker", "bot"),
    [
        (None, ""),
        (Asker(1000), "user 1000"),
        (Asker(1000, "made up"), "user 1000"),
        (Asker(1000, "momo"), "bot momo"),
        (Asker(1001), "bot grid"),
        (Asker(1001, "made up"), "bot grid"),
        (Asker(1001, "momo"), "bot momo"),
        (Asker(1002, "momo"), "bot momo"),
    ],
)
def test_a_bot_is_its_configured_name_or_else_its_user(asker, bot):
    """A name made up anew with every connection is no other bot."""
    assert bot_of(SETTINGS, asker) == bot
