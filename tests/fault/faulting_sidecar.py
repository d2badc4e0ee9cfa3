"""A sidecar with a fault of its own: it stumbles over the first order that it is asked about, before its answer, or
behind it where FAULT says so.
"""

import os

from sidecar.console.app import main
from sidecar.core.risk_manager import RiskManager


def stumbles(_manager: RiskManager, _event: object) -> None:
    raise KeyError("half way")


if os.environ.get("FAULT") == "behind the answer":
    RiskManager.commit = stumbles  # type: ignore[method-assign,assignment]
else:
    RiskManager.decide = stumbles  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    main()
