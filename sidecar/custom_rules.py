"""Loading a user's own rules by dotted path: `package.module:function`; where one raised, and whether its file changed.
Blocking.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from traceback import extract_tb

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.vocabulary.errors import Misuse

OnRaise = Callable[[CustomRule, Exception], None]


def load_custom_rules(
    paths: Iterable[str], on_raise: OnRaise = lambda _rule, _fault: None
) -> tuple[CustomRule, ...]:
    """The functions that the paths name. `on_raise`: as of `CustomRule`.

    A function with a true attribute `exempts_reducing` need not be kept by reducing orders. Raises
    Misuse, naming the path and the mend.
    """
    return tuple(_load(path, on_raise) for path in paths)


def _load(path: str, on_raise: OnRaise) -> CustomRule:
    module_name, colon, name = path.partition(":")
    if not (colon and module_name and name.isidentifier()):
        raise Misuse(f"custom rule {path!r}: write package.module:function")
    try:
        module = import_module(module_name)
    except ImportError as fault:
        raise Misuse(
            f"custom rule {path!r}: {fault}; install the module, or put it on PYTHONPATH"
        ) from fault
    except SyntaxError as fault:
        raise Misuse(
            f"custom rule {path!r}: {fault.msg} at {fault.filename}:{fault.lineno}; fix it there"
        ) from None
    except Exception as fault:  # noqa: BLE001 - foreign code: whatever its import raises is for its author to mend
        last = extract_tb(fault.__traceback__)[-1]
        raise Misuse(
            f"custom rule {path!r}: {said_by(fault)} at {last.filename}:{last.lineno}; fix it there"
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        raise Misuse(
            f"custom rule {path!r}: {module_name} has no function {name!r}; write it there"
        )
    exempt = bool(getattr(function, "exempts_reducing", False))
    return CustomRule(path, function, exempt, on_raise)


def place_of(rule: CustomRule, fault: Exception) -> str:
    """File and line of the rule's own code at which it raised; "" where that is not known. A function that does not
    take the three arguments raises where it begins.
    """
    frames = extract_tb(fault.__traceback__)[1:]  # without the caller of the rule
    if frames:
        own = [frame for frame in frames if frame.filename == frames[0].filename]
        return f"{own[-1].filename}:{own[-1].lineno}"
    code = getattr(rule.function, "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def said_by(fault: Exception) -> str:
    """The exception in a line: its kind and its words, where it has some."""
    words = fault.args[0] if fault.args and isinstance(fault.args[0], str) else ""
    return f"{type(fault).__name__}: {words}" if words else type(fault).__name__


def sources_of(rules: Iterable[CustomRule]) -> Mapping[str, bytes]:
    """The content of each rule's file now, as a digest, by the rule's name; none for a rule without a file."""
    found = {}
    for rule in rules:
        module = sys.modules.get(rule.name.partition(":")[0])
        path = getattr(module, "__file__", None)
        if path is not None:
            found[rule.name] = _digest(Path(path))
    return found


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""  # it is gone: changed, as far as anybody can tell
