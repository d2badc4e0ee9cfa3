"""Every model of value at risk by name. No I/O."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from sidecar.core.value_at_risk.model import Array, RiskModel, Unavailable
from sidecar.core.value_at_risk.parametric import (
    cornish_fisher,
    normal,
    normal_shrunk,
    student_t,
    student_t_shrunk,
)
from sidecar.core.value_at_risk.scenarios import filtered, historical, monte_carlo
from sidecar.core.value_at_risk.settings import ModelName, ModelSettings

MODELS: Final[Mapping[ModelName, Callable[[Array, ModelSettings], RiskModel]]] = {
    "historical": historical,
    "filtered": filtered,
    "normal": normal,
    "student_t": student_t,
    "normal_shrunk": normal_shrunk,
    "student_t_shrunk": student_t_shrunk,
    "cornish_fisher": cornish_fisher,
    "monte_carlo": monte_carlo,
}


def fit(returns: Array, settings: ModelSettings) -> RiskModel:
    """A model fitted to log returns (periods × keys, the newest last). Raises Unavailable for returns
    that are none or not finite.
    """
    if returns.ndim != 2 or not returns.shape[0] or not returns.shape[1]:
        raise Unavailable("there are no returns to fit a model to; give a history")
    if not np.isfinite(returns).all():
        raise Unavailable("the returns hold what is not a number; fix the history")
    return MODELS[settings.model](returns, settings)
