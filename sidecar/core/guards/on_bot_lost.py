"""Departures: the consequences that a bot chose for going without a word. No I/O."""

from datetime import datetime

from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.guards.sessions import BotSession
from sidecar.core.guards.unapproved import Unapproved
from sidecar.core.vocabulary.actions import Action


def carry_out_will(
    session: BotSession,
    watch: LossWatch,
    unapproved: Unapproved,
    now: datetime,
    actions: list[Action],
) -> None:
    """Cancel the open orders of its strategy, and no others; or flatten the account, where the bot
    still may, and no operator's halt or abort forbids sales.
    """
    reason, desk = f"bot {session.name!r} of user {session.uid} is gone", watch.desk
    may_flatten = session.name in watch.settings.may_flatten
    if session.on_disconnect == "flatten" and may_flatten and not desk.state.has("LIQUIDATION"):
        reason += ", and wanted the account flat"
        if not watch.held_back(reason, actions):
            watch.liquidate(reason, now, actions)
    if session.on_disconnect == "cancel_orders" and session.strategy_id is not None:
        working = desk.tracker.ledger.working.values()
        ids = [one.order_id for one in working if one.strategy_id == session.strategy_id]
        actions += unapproved.cancel_all(ids, reason)
