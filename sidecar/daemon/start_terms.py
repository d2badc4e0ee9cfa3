"""The configuration's terms that bind from a start, taken out of it and put back. No I/O."""

from sidecar.config.tables import Bot, Config, Positions
from sidecar.core.context.start_terms import StartTerms


def terms_of(config: Config) -> StartTerms:
    """Those of a configuration."""
    return StartTerms(
        keep=config.positions.model_dump(mode="json")["keep"],
        bots={name: bot.model_dump(mode="json") for name, bot in config.server.bots.items()},
        strategies=config.server.strategies,
        custom=config.limits.custom,
    )


def with_terms(config: Config, terms: StartTerms) -> Config:
    """The configuration with these in place of its own."""
    if terms == terms_of(config):
        return config  # to the letter: a default that is written out is shown
    keep = Positions.model_validate({"keep": terms.keep}).keep
    bots = {name: Bot.model_validate(bot) for name, bot in terms.bots.items()}
    server = {"bots": bots, "strategies": terms.strategies}
    return config.model_copy(
        update={
            "positions": config.positions.model_copy(update={"keep": keep}),
            "server": config.server.model_copy(update=server),
            "limits": config.limits.model_copy(update={"custom": terms.custom}),
        }
    )
