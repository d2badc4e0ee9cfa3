"""The process as Debian's own Python runs it, where it is there: exit codes and lines as everywhere.

Debian 12 ships 3.11.2, in which what is raised within `except*` comes out as a group of it.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from risk_sidecar_client import Client
from tests.e2e.test_run_command import WITHIN_S, body, config, places
from tests.papers_service import running

ROOT = Path(__file__).parents[2]
DEBIANS = "/usr/bin/python3"
ASKS = "import sys, platform; print(*sys.version_info[:3]); import sidecar.console.app"


@cache
def environment():
    places = (ROOT, ROOT / "client", sysconfig.get_path("purelib"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}


@cache
def debians_works():
    """Whether it is there and can use what is installed here, which was made for its minor version."""
    if shutil.which(DEBIANS) is None:
        return False
    asked = subprocess.run(
        [DEBIANS, "-c", ASKS], env=environment(), capture_output=True, text=True, check=False
    )
    return asked.returncode == 0


PYTHONS = {"this": sys.executable, "debians": DEBIANS}


@pytest.fixture(params=PYTHONS)
def python(request):
    if request.param == "debians" and not debians_works():
        pytest.skip(f"{DEBIANS} is not there, or of another version than what is installed")
    return PYTHONS[request.param]


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    with running(tmp_path_factory.mktemp("exchange"), balances={"USD": "100000"}) as made:
        yield made


def command(python, module, *arguments):
    return [python, "-m", module, *map(str, arguments)]


def tried(python, *arguments):
    return subprocess.run(
        command(python, "sidecar", *arguments), env=environment(), capture_output=True, text=True,
        timeout=WITHIN_S, check=False,
    )  # fmt: skip


def test_what_is_in_the_way_of_a_start_is_one_line_that_names_the_mend(python, paper, tmp_path):
    (tmp_path / "o.sock").write_text("a file")
    file = config(tmp_path, paper)
    run = tried(python, "run", "--config", file, *places(tmp_path))
    lines = [line for line in run.stderr.splitlines() if line.startswith("risk-sidecar: ")]
    assert (run.returncode, len(lines)) == (2, 1), run.stderr
    assert "it is a file, not a socket; choose another path" in lines[0]
    assert "Traceback" not in run.stderr


def test_a_key_that_cannot_be_used_is_one_line(python, paper, tmp_path):
    file = config(tmp_path, paper, key_file=tmp_path / "none.json")
    run = tried(python, "run", "--config", file, *places(tmp_path))
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert "name the key file" in run.stderr


@pytest.mark.parametrize(("fault", "codes"), [("", ("NO_ANSWER",)), ("behind the answer", ())])
def test_a_fault_of_its_own_ends_it_with_exit_code_3_and_halted(
    python, paper, tmp_path, fault, codes
):
    """Where the answer had left, the journal says which approval is in no books."""
    file = config(tmp_path, paper)
    arguments = ("run", "--config", file, *places(tmp_path), "--json")
    made = subprocess.Popen(
        command(python, "tests.fault.faulting_sidecar", *arguments), env=environment() | {"FAULT": fault},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert made.stdout is not None
        assert made.stdout.readline().startswith("{")
        bot = Client(tmp_path / "o.sock", timeout_s=60)
        asked = body()
        assert bot.validate_order(asked).codes == codes
        bot.close()
        _, log = made.communicate(timeout=WITHIN_S)
    finally:
        made.kill()
        made.communicate()
    assert made.returncode == 3, log
    assert "halted by a fault of its own" in log
    verified = tried(python, "journal", "show", "--type", "HaltRequested", "--state-dir", tmp_path / "state")  # fmt: skip
    assert "KeyError" in verified.stdout
    told = f"the approval of {asked['client_order_id']} ("
    assert (told in verified.stdout) is bool(fault), verified.stdout


def test_stopped_in_order_it_ends_with_0(python, paper, tmp_path):
    file = config(tmp_path, paper)
    made = subprocess.Popen(
        command(python, "sidecar", "run", "--config", file, *places(tmp_path), "--json"),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert made.stdout is not None
        assert made.stdout.readline().startswith("{")
        made.terminate()
        _, log = made.communicate(timeout=WITHIN_S)
    finally:
        made.kill()
        made.communicate()
    assert (made.returncode, "stopped" in log) == (0, True), log
