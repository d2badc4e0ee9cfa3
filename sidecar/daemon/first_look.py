"""The look of `init`: the key's permissions, whose account it is, and what that is worth. Sends no order."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from sidecar import clock
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import CallFailed, Rest
from sidecar.config.tables import Config
from sidecar.core.vocabulary.errors import Misuse, Untrusted
from sidecar.daemon import preflight
from sidecar.daemon.preflight import Finding, Portfolio
from sidecar.daemon.survey import read_account
from sidecar.daemon.trial import trial_manager


class FirstLook(Struct, kw_only=True):
    """What was seen. `equity` in USD; `held`: amounts above dollars, by asset, the most valuable first; `products`:
    all that are listed.
    """

    findings: list[Finding]
    portfolio: Portfolio
    equity: Decimal
    held: Mapping[str, Decimal]
    products: frozenset[str]


async def first_look(config: Config) -> FirstLook:
    """Raises Misuse, with the mend, where key or account cannot be used."""
    assert config.coinbase.key_file is not None, "init asks for it first"
    rest = Rest(config.coinbase.rest_url, load_key(config.coinbase.key_file))
    try:
        return await _look(config, rest)
    except (CallFailed, Untrusted) as error:
        raise Misuse(
            f"{config.coinbase.rest_url}: {error}; see the host, the network and the key's portfolio"
        ) from None
    finally:
        await rest.close()


async def _look(config: Config, rest: Rest) -> FirstLook:
    complaints: list[str] = []
    lookups = Lookups(rest, clock.now, complaints.append)
    await lookups.server_time()
    findings, portfolio = await preflight.look(lookups, clock.unix)
    critical = [finding.text for finding in findings if finding.severity == "critical"]
    if critical:
        raise Misuse("\n".join(critical))
    listed = await lookups.products()
    account = await read_account(AccountReader(rest, clock.now, complaints.append))
    tracker = (await trial_manager(lookups, config, listed, account)).tracker
    wallets = tracker.wallets.by_currency
    worth = {
        name: wallet.total * (tracker.marks.usd(name) or 0)
        for name, wallet in wallets.items()
        if wallet.total and name not in config.positions.cash
    }
    held = {name: wallets[name].total for name in sorted(worth, key=lambda one: -worth[one])}
    return FirstLook(
        findings=findings,
        portfolio=portfolio,
        equity=tracker.equity,
        held=held,
        products=frozenset(one.product_id for one in listed.products),
    )
