"""All of `check`: the checks without the network, then those against Coinbase. Sends no order."""

import os
from decimal import Decimal

from msgspec import Struct

from sidecar import clock
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.auth import ApiKey, KeyFault, load_key
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import CallFailed, Refused, Rest
from sidecar.config.tables import Config, Server
from sidecar.core.account.elsewhere import held
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.views import status
from sidecar.core.vocabulary.brakes import brakes_not_set, lacking
from sidecar.core.vocabulary.errors import Misuse, Untrusted
from sidecar.core.vocabulary.limits import OrderLimits
from sidecar.core.vocabulary.products import Product
from sidecar.custom_rules import load_custom_rules
from sidecar.daemon import preflight
from sidecar.daemon.limits_today import (
    LimitToday,
    beyond_sense,
    exceeded_already,
    limits_today,
    too_little,
)
from sidecar.daemon.names import unknown_names
from sidecar.daemon.own_rules import Trials
from sidecar.daemon.places import shut_out_of, unusable_places
from sidecar.daemon.preflight import Finding
from sidecar.daemon.previews import sold_today
from sidecar.daemon.survey import (
    Holding,
    read_account,
    routes,
)
from sidecar.daemon.trial import trial_manager
from sidecar.daemon.try_feeds import try_feeds
from sidecar.server.listener import own_uids


class Report(Struct, kw_only=True):
    """The findings. `products`, `open_orders` and `equity` are None, `limits` and `holdings` empty, where the account
    was not read. `places`: the directories of state and sockets, empty where this user may not write there.
    """

    findings: list[Finding]
    host: str
    places: list[str] = []
    equity: Decimal | None = None
    limits: list[LimitToday] = []
    products: int | None = None
    open_orders: int | None = None
    holdings: list[Holding] = []


async def look(config: Config) -> Report:
    """All findings that can be had before a start. Raises Misuse where Coinbase cannot be reached."""
    report = Report(findings=_offline(config), host=config.coinbase.rest_url)
    if all(finding.code != "NOT_ITS_OWN" for finding in report.findings):
        server = config.server
        kept = (config.state.dir, server.order_socket.parent, server.control_socket.parent)
        report.places = list(dict.fromkeys(str(place.absolute()) for place in kept))
    key = _key(config, report.findings)
    if key is None:
        return report
    rest = Rest(config.coinbase.rest_url, key)
    try:
        await _online(config, key, rest, report)
    finally:
        await rest.close()
    return report


async def _elsewhere(lookups: Lookups) -> list[Finding]:
    """Holdings in other venues of Coinbase's, as far as told."""
    try:
        told = await lookups.elsewhere()
    except (CallFailed, Untrusted) as error:
        text = f"what other venues hold cannot be read: {error}"
        return [Finding("info", "ELSEWHERE", text)]
    texts = [
        f"{venue}: {words}, neither counted nor sold here" for venue, words in held(told).items()
    ]
    return [Finding("warning", "ELSEWHERE", text) for text in texts]


def _offline(config: Config) -> list[Finding]:
    found = []
    if not _set_limits(config):
        text = "no limit is set: every order of Coinbase's own shape passes; set some in [limits]"
        found.append(Finding("warning", "NO_LIMITS", text))
    if fault := lacking(config.limits.require, config.limits):
        found.append(Finding("critical", "REQUIRED_LIMITS", fault))
    if brakes := brakes_not_set(config.limits):
        text = f"brakes that are not set: {', '.join(brake.name for brake in brakes)}"
        found.append(Finding("info", "BRAKES_NOT_SET", text))
    if shut_out := _shut_out(config.server):
        text = (
            f"server.bots name user {min(shut_out)}, who may not ask at all: server.allowed_uids is unset, so that"
            f" only root and the sidecar's own user may, which is {os.getuid()} here; name all of them in it"
        )
        found.append(Finding("warning", "BOT_MAY_NOT_ASK", text))
    unreached, place = shut_out_of(config.server)
    if unreached:
        names = ", ".join(map(str, sorted(unreached)))
        text = (
            f"user {names} may ask, and cannot enter {place}, on the way to server.order_socket (a start makes"
            " directories for its own user alone); make it first, owned by the sidecar's user, of a group that they"
            " share, mode 0750"
        )
        found.append(Finding("warning", "SOCKET_SHUT", text))
    try:
        load_custom_rules(config.limits.custom)
    except Misuse as fault:
        found.append(Finding("critical", "CUSTOM_RULE", str(fault)))
    return found + _places(config) + preflight.look_at_alerts(config.alerts.command)


def _rules(config: Config, trials: Trials) -> tuple[CustomRule, ...]:
    """The own rules; none where they cannot be loaded, which is a finding already."""
    try:
        return load_custom_rules(config.limits.custom, trials.note)
    except Misuse:
        return ()


def _places(config: Config) -> list[Finding]:
    return [Finding("critical", "NOT_ITS_OWN", text) for text in unusable_places(config)]


def _shut_out(server: Server) -> set[int]:
    """Users that are named for bots and may not ask. Where `allowed_uids` is set, the configuration is refused."""
    named = {uid for bot in server.bots.values() for uid in bot.uids or ()}
    return named - own_uids() if server.allowed_uids is None else set()


def _set_limits(config: Config) -> bool:
    """Whether any limit is set at all."""
    limits = config.limits
    tables: list[OrderLimits] = [limits, *limits.product.values(), *limits.strategy.values()]
    names = limits.model_fields_set - {"product", "strategy", "shadow", "require"}
    return bool(names) or any(table.model_fields_set for table in tables[1:])


def _key(config: Config, findings: list[Finding]) -> ApiKey | None:
    path = config.coinbase.key_file
    if path is None:
        text = "coinbase.key_file is not set; name the key file that Coinbase gave you"
        findings.append(Finding("critical", "KEY_FILE", text))
        return None
    try:
        return load_key(path)
    except KeyFault as fault:
        findings.append(Finding("critical", "KEY_FILE", str(fault)))
        return None


async def _online(config: Config, key: ApiKey, rest: Rest, report: Report) -> None:
    complaints: list[str] = []
    asks_for_futures = config.positions.futures == "auto"
    picture = AccountReader(rest, clock.now, complaints.append, asks_for_futures=asks_for_futures)
    lookups = Lookups(rest, clock.now, complaints.append)
    try:
        await lookups.server_time()
    except (CallFailed, Untrusted) as error:
        if not isinstance(error, Refused):
            mend = "see coinbase.rest_url, the network and its firewall"
            raise Misuse(f"{report.host} cannot be reached ({error}); {mend}") from None
    found, _ = await preflight.look(lookups, clock.unix)
    report.findings += found
    try:
        listed = await _account(config, picture, lookups, report)
        report.findings += await try_feeds(config.coinbase, key, listed)
    except Refused as error:
        text = f"the account cannot be read: {error}; see the key's permissions and portfolio"
        report.findings.append(Finding("critical", "ACCOUNT_UNREADABLE", text))
    except (CallFailed, Untrusted) as error:
        text = f"the account could not be read: {error}; ask again"
        report.findings.append(Finding("critical", "ACCOUNT_UNREADABLE", text))
    for text in complaints:
        report.findings.append(Finding("warning", "LEFT_OUT", text))


async def _account(
    config: Config, picture: AccountReader, lookups: Lookups, report: Report
) -> dict[str, Product]:
    """Fills the report; returns the products that are listed."""
    listed = await lookups.products()
    products = {product.product_id: product for product in listed.products}
    report.products = len(products)
    account = await read_account(picture)
    currencies = (balance.currency for balance in account.balances)
    report.findings += unknown_names(config, products, currencies)
    report.open_orders = account.open_orders
    if account.futures_fault:
        text = (
            f"what futures the account has cannot be read: {account.futures_fault}; ask again, or where it has none"
            ' set positions.futures = "none"'
        )
        report.findings.append(Finding("critical", "FUTURES_UNKNOWN", text))
    through = routes(products, config)
    report.findings += await _elsewhere(lookups)
    report.holdings = await sold_today(lookups, account, through, config)
    trials = Trials()
    manager = await trial_manager(lookups, config, listed, account, _rules(config, trials))
    report.findings += trials.run(manager, config.coinbase.follow)
    tracker, used = manager.tracker, status(manager, clock.now())["usage"]
    report.equity = tracker.equity
    report.limits = limits_today(config.limits, tracker, used, config.coinbase.follow)
    report.findings += beyond_sense(report.limits)
    report.findings += exceeded_already(used)
    report.findings += too_little(config.limits, tracker)
    return products
