"""A sidecar with a fault of its own: it stumbles over the first order that it is asked about."""

from sidecar.console.app import main
from sidecar.daemon.engine import Engine


def foresees_nothing(_engine: Engine, _event: object) -> None:
    return None


def stumbles(_engine: Engine, _event: object) -> None:
    raise KeyError("half way")


Engine.foresee = foresees_nothing  # type: ignore[method-assign,assignment]
Engine._look_ahead = stumbles  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    main()
