"""What orders are judged against: what follows from the limits in force."""

from sidecar.core.vocabulary.limit_settings import WARN_AT
from tests.scenario import World


def test_a_figure_of_risk_is_calm_far_below_the_lower_of_a_limit_and_its_shadow():
    for limit, shadow in (("0.2", "0.1"), ("0.1", "0.2")):
        world = World(max_var=limit, shadow={"max_var": shadow})
        calm = world.manager.desk.warn_usd["max_var"]
        assert str(calm / WARN_AT) == "0.1"
