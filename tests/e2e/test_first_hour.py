"""docs/first-hour.md: every command, in its order, by what the wheels install; the image excepted.

Packages come from the environment of the tests: each new `venv` sees it, and no index is asked.
"""

import fnmatch
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.papers_service import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
WITHIN_S = 300
LEFT_BY_TOOLS = {".cache", ".config", ".rustup"}  # of pip, and of what it calls


def sections():
    """The text of each section, by its heading."""
    parts = re.split(r"^##+ (.*)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = sections()


def commands(heading):
    """Each command of a section, with the lines that it promises."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", SECTIONS[heading], re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


class Machine:
    """A user's machine: a home, a clone, and shells that remember their directory and variables."""

    def __init__(self, home):
        self.home, self.clone = home, home / "coinbase-risk-sidecar"
        self.clone.mkdir()
        for name in ("client", "sidecar"):
            shutil.copytree(
                ROOT / name, self.clone / name, ignore=shutil.ignore_patterns("__pycache__", "dist")
            )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, self.clone / name)
        self.temporary = home / "tmp"
        self.temporary.mkdir()
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "RISK_", "UV_", "PIP_"))
        }
        self.environment = kept | {
            "HOME": str(home), "TMPDIR": str(self.temporary), "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
            "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_OFFLINE": "1", "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser())),
            "COLUMNS": "200",
        }  # fmt: skip
        self.where = self.clone
        self.running = []

    def start(self, command, out):
        """What a terminal of its own runs."""
        with out.open("w") as stream:
            made = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.where, env=self.environment, stdout=stream,
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        self.running.append(made)
        return made

    def run(self, command):
        """Output, errors and all, of a command that succeeds."""
        done = self.tried(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def tried(self, command):
        marked = f"{command}\ncode=$?; pwd > {self.home}/.where; env -0 > {self.home}/.env; declare -p market > {self.home}/.market 2>/dev/null; exit $code"
        known = self.home / ".market"
        before = known.read_text() if known.exists() else ""
        done = subprocess.run(
            ["bash", "-c", before + marked], cwd=self.where, env=self.environment, capture_output=True, text=True,
            timeout=WITHIN_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode == 0:
            self.where = Path((self.home / ".where").read_text().strip())
            told = (self.home / ".env").read_text().rstrip("\0").split("\0")
            self.environment |= dict(
                one.split("=", 1)
                for one in told
                if not one.startswith(("PWD", "OLDPWD", "_", "SHLVL"))
            )
        if (made := re.search(r"-m venv (\S+)", command)) is not None:
            self.see_packages(Path(made[1].replace("~", str(self.home))))
        return done

    def see_packages(self, directory):
        """No index is needed: packages of the tests' own environment can be imported there."""
        (own,) = (self.where / directory).glob("lib/python*/site-packages")
        (own / "environment.pth").write_text("\n".join(site.getsitepackages()) + "\n")

    def follow(self, heading):
        """The section's commands, one by one, each with what it promises."""
        for command, promised in commands(heading):
            shows(self.run(command), promised, command)

    def end(self):
        for process in self.running:
            process.kill()
            process.communicate()


def shows(output, promised, command):
    """Each promised line is in the output, in that order; … stands for any text."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for wanted in promised:
        pattern = fnmatch.translate(
            re.sub(r"([\[*?])", r"[\1]", " ".join(wanted.split())).replace("…", "*")
        )
        assert any(re.match(pattern, line) for line in lines), (
            f"{command}: {wanted!r} is not in\n{output}"
        )


@pytest.fixture
def machine():
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="hour-") as home:
        made = Machine(Path(home))
        try:
            yield made
        finally:
            made.end()


def test_the_hour_goes_as_the_page_says(machine):
    machine.follow("Install")
    machine.follow("With pip")

    *first, (paper, _) = commands("A paper exchange")
    for command, promised in first:
        shows(machine.run(command), promised, command)
    words, _, name = paper.partition(" > ")
    exchange = machine.start(words, machine.where / name)
    urls = json.loads(until(lambda: whole((machine.where / name).read_text())))

    machine.follow("The first configuration")
    sidecar, told = begun(machine)
    shows(until(lambda: whole(told.read_text())), commands("Run it")[-1][1], "run")

    *installs, (buys, promised) = commands("The bot's one line")
    for command, _ in installs:
        machine.run(command)
    (code,) = re.findall(r"```python\n(.*?)```", SECTIONS["The bot's one line"], re.DOTALL)
    (machine.where / "bot.py").write_text(code)
    shows(machine.run(buys), promised, buys)

    lose(machine)
    machine.follow("Rehearse a flattening")
    sidecar.send_signal(signal.SIGINT)
    assert sidecar.wait(timeout=WITHIN_S) == 0

    begin_for_real(machine, urls)
    for process in machine.running:
        process.send_signal(signal.SIGINT)
    for process in machine.running:
        process.communicate(timeout=WITHIN_S)
    assert exchange.returncode == 0
    machine.follow("Uninstall")
    for name in (".where", ".env", ".market"):  # the test's own
        (machine.home / name).unlink(missing_ok=True)
    left = {path.name for path in machine.home.iterdir()} - LEFT_BY_TOOLS
    assert left == {"tmp", "cdp-key.json"}
    assert [path for path in machine.home.rglob("*") if "risk" in path.name] == []
    assert list(machine.temporary.iterdir()) == []


def whole(text):
    return text if text.endswith("\n") else ""


def begun(machine, heading="Run it"):
    """The sidecar, in a terminal of its own."""
    *first, (run, _) = commands(heading)
    for command, _ in first:
        machine.run(command)
    told = machine.home / "guard" / "told"
    return machine.start(run, told), told


def lose(machine):
    """The loss is confirmed in a moment: the page's reader looks later than a test."""
    *moves, (status, promised), (buys, refused) = commands("Rehearse a loss")
    for command, _ in moves:
        machine.run(command)
    until(lambda: "REDUCE_ONLY" in machine.run(status))
    shows(machine.run(status), promised, status)
    shows(machine.run(buys), refused, buys)


def begin_for_real(machine, urls):
    """With the exchange's hosts in the place of Coinbase's."""
    shutil.copy(urls["key_file"], machine.home / "cdp-key.json")
    hosts = (
        f"--rest-url {urls['rest_url']} --ws-url {urls['ws_url']} --ws-user-url {urls['ws_url']}"
    )
    (init, _), (check, _), (run, _) = commands("The real key")
    machine.run(f"{init} {hosts}")
    assert "ready" in machine.run(check)
    told = machine.where / "told for real"
    machine.start(run, told)
    assert "real-state/run/order.sock" in until(lambda: whole(told.read_text()))


@pytest.mark.parametrize(
    ("heading", "tool"), [("With uvx", "uvx"), ("With pipx", "pipx"), ("In the clone", "python3")]
)
def test_the_other_ways_to_install_it_go_too(machine, heading, tool):
    if shutil.which(tool, path=machine.environment["PATH"]) is None:
        pytest.skip(f"this machine has no {tool}")
    machine.follow("Install")
    for command, promised in commands(heading):
        done = machine.tried(command)
        if done.returncode and tool == "uvx" and "network was disabled" in done.stderr:
            pytest.skip("uvx has not all packages in its cache, and no network")
        assert done.returncode == 0, done.stdout + done.stderr
        shows(done.stdout, promised, command)


def test_every_command_of_the_page_is_in_a_section_that_is_run():
    run = {
        "Install", "With pip", "With uvx", "With pipx", "In the clone", "A paper exchange", "The first configuration", "Run it",
        "The bot's one line", "Rehearse a loss", "Rehearse a flattening", "The real key", "Uninstall",
    }  # fmt: skip
    assert {heading for heading in SECTIONS if commands(heading)} - run == {"As an image"}
