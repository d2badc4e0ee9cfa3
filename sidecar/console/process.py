"""The shared parts of long-running commands: the loop, signals, a directory of its own."""

import asyncio
import contextlib
import ctypes
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import typer

from sidecar.core.vocabulary.errors import Misuse, each_of

if TYPE_CHECKING:
    from sidecar.daemon.outlet import Outlet

EXIT_INTERRUPTED: Final = 130
PR_SET_DUMPABLE: Final = 4  # linux/prctl.h
FILES_MAX: Final = 65_536  # more than it lets in; as many as some systems allow would cost memory


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Both signals end the block, without a traceback, until the loop takes them itself."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def on_signals(stop: Callable[[], None]) -> None:
    """Let SIGINT and SIGTERM, which may come as early as they like, end the running loop's work."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def reload_on_hangup(reload: Callable[[], None]) -> None:
    """Let SIGHUP have the configuration read anew, as daemons do. On a terminal it says that this
    was closed, and ends the processes there; one that is ignored (`nohup`) stays so.
    """
    if not _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on the faster loop where there is one. Raises Misuse as one."""
    misuse = ""
    try:
        _raise_file_limit()
        forbid_core_dumps()
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(work)
    except* Misuse as faults:  # raised below: Python before 3.11.4 would raise a group from here
        misuse = "; ".join(map(str, each_of(faults)))
    finally:
        work.close()  # interrupted before it began, it would be complained of
    if misuse:
        raise Misuse(misuse)


@contextlib.contextmanager
def standard_outlets() -> "Iterator[Outlet]":
    """Standard output and error by threads of their own, for every module that prints: output holds
    no work up. Gives standard error.
    """
    from sidecar.daemon.outlet import Outlet  # noqa: PLC0415 - for long runs only

    with contextlib.ExitStack() as stack:
        outlets = []
        for stream, redirect in (
            (sys.stdout, contextlib.redirect_stdout),
            (sys.stderr, contextlib.redirect_stderr),
        ):
            outlet = Outlet(_descriptor(stream), getattr(stream, "encoding", "utf-8"))
            stack.callback(outlet.end)
            stack.enter_context(redirect(outlet.text))
            outlets.append(outlet)
        yield outlets[-1]


def _descriptor(stream: TextIO | None) -> int:
    """Its descriptor: the null device, if the parent process has closed it."""
    return os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()


def own_directory(parent: Path | None, name: str) -> "tempfile.TemporaryDirectory[str]":
    """A directory of this run's own, mode 0700, removed at the end. Raises Misuse."""
    try:
        if parent is not None:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f"risk-sidecar-{name}-", dir=parent)
    except OSError as error:
        raise Misuse(
            f"--state-dir {parent}: {error.strerror}; name a directory that this user may write"
        ) from None


def _loop() -> asyncio.AbstractEventLoop:
    """The faster loop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not made for Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _raise_file_limit() -> None:
    """Each connection is a file: take as many as this user may have, within reason."""
    try:
        import resource  # noqa: PLC0415 - not made for Windows
    except ImportError:
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if most == resource.RLIM_INFINITY else min(most, FILES_MAX)
    if now != resource.RLIM_INFINITY and now < wanted:
        with contextlib.suppress(ValueError, OSError):  # it works with fewer, for fewer clients
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def forbid_core_dumps() -> None:
    """The memory of a process that signs holds the key: no crash writes it to a disk, and no other process
    of this user reads it.
    """
    try:
        import resource  # noqa: PLC0415 - not made for Windows
    except ImportError:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # Linux; a core that is piped to a program asks no limit
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def as_called(program: str) -> str:
    """This command for a shell that is anywhere: the program that `make run` installs is on no
    PATH.
    """
    path = Path(program)
    if path.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m sidecar"
    return shlex.quote(str(path.absolute())) if os.sep in program else "risk-sidecar"
