"""Departures: what a bot wanted done when it is gone without a word. No I/O."""

from datetime import datetime

from sidecar.core.actions import Action, CancelOrders
from sidecar.core.check import Desk
from sidecar.core.loss_watch import LossWatch
from sidecar.core.sessions import BotSession


def carry_out_will(
    session: BotSession, desk: Desk, watch: LossWatch, now: datetime, actions: list[Action]
) -> None:
    """Cancel the open orders of its strategy, and no others; or flatten the account, where the bot
    still may.
    """
    reason = f"bot {session.name!r} of user {session.uid} is gone"
    may_flatten = session.name in watch.settings.may_flatten
    if session.on_disconnect == "flatten" and may_flatten and not desk.state.has("LIQUIDATION"):
        watch.liquidate(f"{reason}, and wanted the account flat", now, actions)
    if session.on_disconnect == "cancel_orders" and session.strategy_id is not None:
        working = desk.tracker.ledger.working.values()
        ids = tuple(one.order_id for one in working if one.strategy_id == session.strategy_id)
        if ids:
            actions.append(CancelOrders(order_ids=ids, reason=reason))
