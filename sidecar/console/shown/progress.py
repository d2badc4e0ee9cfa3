"""A bar for slow work: on a terminal only, on standard error, and only after a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Final

AFTER_S: Final = 2.0  # quicker work needs no bar


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """The function given to the block is told how many more are done, of so many."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second to import
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _count: None
        return
    bar = Progress(console=console, transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=max(1, total))
    later = Timer(AFTER_S, bar.start)  # though the first part takes longer
    later.daemon = True
    later.start()
    try:
        yield lambda count: bar.advance(task, count)
    finally:
        later.cancel()
        later.join()  # else it might begin after its end
        bar.stop()
