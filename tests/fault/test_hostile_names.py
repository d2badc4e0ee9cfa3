"""An order whose id was made to forge lines, to move the cursor and to be taken for markup: on no page
and in no log does it do so. A real process, and the commands beside it.
"""

import asyncio
import json
import signal
import sys

from tests.fault.paper_client import trading
from tests.fault.test_kill import Sidecar, freeze

FORGED = "FORGED-LINE"
HOSTILE = f"id\x1b[2J\u202e[/bold]\n{FORGED}"
SHOWN = r"id\x1b[2J\u202e[/bold]\n"  # on a page a long one goes on in the next line
WITHIN_S = 60.0


async def shown(*words: str) -> str:
    """What a command shows."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(WITHIN_S):
        told, _ = await made.communicate()
    assert made.returncode == 0, told.decode()
    return told.decode()


def assert_harmless(told: str) -> None:
    assert SHOWN in told
    lines = told.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith(FORGED) for line in lines)


async def logged(sidecar: Sidecar, words: str) -> str:
    """The log up to these words. The line that has them is written whole."""
    assert sidecar.process is not None
    assert sidecar.process.stderr is not None
    told = ""
    async with asyncio.timeout(WITHIN_S):
        while words not in told:
            line = await sidecar.process.stderr.readline()
            assert line, told
            told += line.decode()
    return told


async def test_an_id_that_is_made_to_forge_is_shown_as_what_it_is(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as trader:
        freeze(trader, frozen=True)
        sidecar = Sidecar(trader, tmp_path)
        try:
            sidecar.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sidecar", "run", "--config", str(sidecar.file),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            await logged(sidecar, "after=ACTIVE")
            await trader.place(trader.limit("BUY", "0.01", "20000") | {"client_order_id": HOSTILE})
            assert_harmless(await logged(sidecar, "UNAPPROVED_ORDER"))
            assert_harmless(await shown("positions", "--config", str(sidecar.file)))
            state = str(sidecar.file.with_name("state"))
            assert_harmless(await shown("journal", "show", "--state-dir", state))
            row = json.loads(await shown("positions", "--config", str(sidecar.file), "--json"))
            assert [one["client_order_id"] for one in row["open_orders"]] == [HOSTILE]
            assert sidecar.process is not None
            sidecar.process.send_signal(signal.SIGTERM)
            assert await sidecar.process.wait() == 0
        finally:
            await sidecar.close()
