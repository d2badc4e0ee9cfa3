"""Loading a user's own rules by dotted path: `package.module:function`."""

from collections.abc import Iterable
from importlib import import_module

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.vocabulary.errors import Misuse


def load_custom_rules(paths: Iterable[str]) -> tuple[CustomRule, ...]:
    """The functions that the paths name.

    A function with a true attribute `exempts_reducing` need not be kept by reducing orders. Raises
    Misuse, naming the path and the mend.
    """
    return tuple(_load(path) for path in paths)


def _load(path: str) -> CustomRule:
    module_name, colon, name = path.partition(":")
    if not (colon and module_name and name.isidentifier()):
        raise Misuse(f"custom rule {path!r}: write package.module:function")
    try:
        module = import_module(module_name)
    except ImportError as fault:
        raise Misuse(
            f"custom rule {path!r}: {fault}; install the module, or put it on PYTHONPATH"
        ) from fault
    function = getattr(module, name, None)
    if not callable(function):
        raise Misuse(
            f"custom rule {path!r}: {module_name} has no function {name!r}; write it there"
        )
    return CustomRule(path, function, exempt=bool(getattr(function, "exempts_reducing", False)))
