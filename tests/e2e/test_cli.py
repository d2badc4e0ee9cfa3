"""The command as a user has it: a real process, its streams and its exit code."""

import subprocess
import sys
import tomllib
from pathlib import Path

COMMAND = Path(sys.executable).with_name("risk-sidecar")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_installed_command_prints_an_example_that_is_toml():
    done = run(COMMAND, "config", "example")
    assert (done.returncode, done.stderr) == (0, "")
    assert tomllib.loads(done.stdout)["limits"]["max_leverage"] == 5


def test_a_wrong_word_ends_with_2_and_no_traceback():
    done = run(COMMAND, "hlat")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_the_module_is_the_command():
    assert run(sys.executable, "-m", "sidecar", "--version").stdout.startswith("risk-sidecar ")


def test_a_reader_that_leaves_early_is_no_error_of_ours():
    done = run("sh", "-c", f"{COMMAND} config schema | head -n 1")
    assert (done.stdout, done.stderr) == ("{\n", "")
