"""docs/order-socket.md was had with a running sidecar, and is had again here.

After a change of the language: `python -m tests.unit.test_docs_order_socket` writes its answers anew.
"""

import asyncio
import json
import re
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.server.protocol import CONTROL_METHODS, METHODS
from tests.fault.paper_client import Trader, trading
from tests.running_sidecar import Beside, beside

ROOT = Path(__file__).parents[2]
PAGE_FILE = ROOT / "docs" / "order-socket.md"
PAGE = PAGE_FILE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```jsonrpc ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMITS = tomllib.loads((ROOT / "config" / "live.toml").read_text(encoding="utf-8"))["limits"]
WIDTH = 118
# Beside its shape, what of an answer must be to the letter what the page says.
EXACT = {
    "approved", "cancelled", "code", "done", "message", "name", "on_disconnect", "reducing",
    "released", "replayed", "scope", "state", "text", "topic", "topics", "type",
}  # fmt: skip
Exchange = tuple[str, str]


def exchanges(block: str) -> list[Exchange]:
    """Request and answer, each as the text behind its mark."""
    parts = re.findall(r"^([<>]) ?(.*?)(?=^[<>]|\Z)", block, re.MULTILINE | re.DOTALL)
    told = [text.strip() for _, text in parts]
    if all(mark == "<" for mark, _ in parts):
        return [("", text) for text in told]
    return list(zip(map(on_one_line, told[::2]), told[1::2], strict=True))


def on_one_line(request: str) -> str:
    """A request as it is sent; the page breaks it for its reader."""
    return compact(json.loads(request)) if request.startswith("{") else request


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shape(value: Any) -> Any:
    """What a program relies on: names and kinds, not figures."""
    match value:
        case dict():
            exact = EXACT - {"text"} if "severity" in value else EXACT  # pre-flight's has figures
            return {
                name: (part if name in exact and isinstance(part, str | bool) else shape(part))
                for name, part in sorted(value.items())
            }
        case list():
            return [shape(part) for part in value[:1]]
        case str() if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "a number"
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
            return "a time"
        case int() | float() if not isinstance(value, bool):
            return "a JSON number"
    return type(value).__name__


def laid_out(value: Any, indent: int = 2) -> str:
    """JSON as it is on the wire where it fits a line, else broken as little as possible."""
    line = compact(value)
    if len(line) + indent <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}:{laid_out(part, indent + 1)}" for name, part in value.items()]
    else:
        parts = [laid_out(part, indent + 1) for part in value]
    lines: list[str] = []
    for part in parts:
        fits = lines and "\n" not in lines[-1] + part and len(lines[-1] + part) + indent < WIDTH
        if fits:
            lines[-1] += "," + part
        else:
            lines.append(part)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return begin + textwrap.indent(",\n".join(lines), " ").strip() + end


def marked(mark: str, line: str) -> str:
    """A line of the wire as the page shows it."""
    text = laid_out(json.loads(line)) if line.startswith("{") else line
    return mark + " " + textwrap.indent(text, "  ").strip() + "\n"


class Talk:
    """The page's exchanges, had with a running sidecar. `met` is given each: page's, ours."""

    def __init__(self, made: Beside, trader: Trader) -> None:
        self.made, self.trader = made, trader
        self.open: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def ask(self, kind: str, line: str) -> Any:
        """Over the connection of this kind, made when it is first needed."""
        server = self.made.config.server
        if kind not in self.open:
            path = server.control_socket if kind == "control" else server.order_socket
            self.open[kind] = await asyncio.open_unix_connection(path)
        reader, writer = self.open[kind]
        writer.write(line.encode() + b"\n")
        answer = await reader.readline()
        if not line.startswith("{"):
            assert await reader.read() == b"", "the connection ends with what is no request"
            await self.close(kind)
        return json.loads(answer)

    async def close(self, kind: str) -> None:
        _, writer = self.open.pop(kind)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def have(self, met: Callable[[str, Any], None]) -> None:
        for kind, block in BLOCK.findall(PAGE):
            if kind == "events":
                for text, event in await self.events(exchanges(block)):
                    met(text, event)
                continue
            for request, answer in exchanges(block):
                if '"validate_edit"' in request:
                    await self.open_order()
                # What is subscribed to would come between the answers.
                over = "subscribed" if '"subscribe"' in request else kind
                met(answer, await self.ask(over, request))
        for kind in tuple(self.open):
            await self.close(kind)

    async def open_order(self) -> None:
        """What the page says of bot-2."""
        body = self.trader.limit("BUY", "0.01", "60000") | {"client_order_id": "bot-2"}
        assert await self.made.bot.validate_order(body, strategy_id="momentum")
        order_id = await self.trader.place(body)
        await self.made.until(lambda: order_id in self.made.manager.tracker.ledger.working)

    async def events(self, wanted: list[Exchange]) -> list[tuple[str, Any]]:
        """For each event of the page, one of the same topic and type that has come in."""
        heard: list[dict[str, Any]] = []
        came = asyncio.Event()

        async def hear() -> None:
            async for event in self.made.operator.events(
                ["state", "decisions", "positions", "limits"]
            ):
                heard.append(event)
                came.set()

        task = asyncio.get_running_loop().create_task(hear())
        body = self.trader.limit("BUY", "0.01", "60000")
        while not came.is_set():  # until it is subscribed, nobody tells
            await self.made.bot.validate_order(body, dry_run=True)
        for method in ("halt", "resume", "reload"):
            await self.made.ask(method, reason="lunch")
        found = []
        async with asyncio.timeout(60):
            for _, text in wanted:
                like = json.loads(text)["params"]
                while not (same := [event for event in heard if like_it(event, like)]):
                    came.clear()
                    await came.wait()
                found.append((text, {"jsonrpc": "2.0", "method": "event", "params": same[0]}))
        assert {event["topic"] for event in heard} >= {"decisions", "state", "limits"}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found


def like_it(event: dict[str, Any], like: dict[str, Any]) -> bool:
    return all(event.get(name) == like.get(name) for name in ("topic", "type", "snapshot"))


async def talk(directory: Path, met: Callable[[str, Any], None]) -> None:
    async with trading(directory) as trader, beside(trader, limits=LIMITS) as made:
        had = Talk(made, trader)
        async with asyncio.timeout(60):
            await made.until(lambda: made.manager.tracker.marks.mids.get("BTC-USD"))
            while not (await made.ask("status"))["sidecar"]["preflight"]:
                made.changed.clear()
                await made.changed.wait()  # there is a fact with every quote
            await made.until(lambda: made.manager.risk.past.history.series, "the history")
            while (await made.ask("status"))["sidecar"]["history"]["waiting"]:
                made.changed.clear()
                await made.changed.wait()
            await had.have(met)


async def test_every_exchange_is_as_the_page_shows_it(tmp_path):
    met: list[tuple[str, Any]] = []
    await talk(tmp_path, lambda told, had: met.append((told, had)))
    assert len(met) >= 25
    for told, had in met:
        assert shape(json.loads(told)) == shape(had), told


def test_every_method_of_both_sockets_is_shown():
    shown = set(re.findall(r'^> .*"method":"(\w+)"', PAGE, re.MULTILINE))
    assert shown >= set(CONTROL_METHODS)
    assert shown - set(CONTROL_METHODS) == {"buy"}
    assert set(METHODS) <= shown


@pytest.mark.parametrize("method", ["status", "decision"])
def test_every_field_is_explained(method):
    """The table under an answer names each of its fields and no other."""
    name = {"status": "status", "decision": "validate_order"}[method]
    section = PAGE[PAGE.index(f"### `{name}`") :]
    answer = exchanges(next(BLOCK.finditer(section))[2])[0][1]
    table = section[section.index("| field | is |") :].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert {n for cell in cells for n in re.findall(r"`(\w+)`", cell)} == set(
        json.loads(answer)["result"]
    )


async def test_the_client_examples_run(tmp_path):
    """Each in a process of its own, as a bot is."""
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    async with trading(tmp_path) as trader, beside(trader, limits=LIMITS) as made:
        path = str(made.config.server.order_socket)
        said = []
        for example in examples:
            code = example.replace("/run/risk-sidecar/order.sock", path)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, errors = await process.communicate()
            assert (process.returncode, errors) == (0, b"")
            said.append(out.decode())
    assert said[0].startswith("('MAX_ORDER_NOTIONAL',) 0.0833")
    assert said[1].splitlines() == ["ACTIVE", "state Snapshot", "nothing happened for a while"]


def test_the_readme_links_it():
    assert "(docs/order-socket.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def write_anew() -> None:
    """The page with the answers that it gets now."""
    answers: list[Any] = []
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(talk(Path(directory), lambda _told, had: answers.append(had)))
    left = iter(answers)

    def fill(block: re.Match[str]) -> str:
        lines = [
            (marked(">", request) if request else "") + marked("<", compact(next(left)))
            for request, _ in exchanges(block[2])
        ]
        return f"```jsonrpc {block[1]}".rstrip() + "\n" + "".join(lines) + "```"

    PAGE_FILE.write_text(BLOCK.sub(fill, PAGE), encoding="utf-8")


if __name__ == "__main__":
    write_anew()
