"""The client is a distribution of its own, whose installation changes nothing in a bot's environment."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import risk_sidecar_client
import sidecar.client

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CLIENT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "client" / "README.md").read_text("utf-8")
HEAVY = {"sidecar", "pydantic", "numpy", "websockets", "aiohttp", "httpx"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A directory that holds the built wheel's files, as an installation does, and no others."""
    wheels, place = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=ROOT / "client", capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def metadata(place: Path) -> Message:
    (file,) = place.glob("*.dist-info/METADATA")
    return Parser().parsestr(file.read_text("utf-8"))


def python(code, place, cwd):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(place)}, cwd=cwd,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_the_wheel_needs_msgspec_and_no_other_package(installed):
    """Without an upper end, so that no version of a bot's is changed."""
    (needed,) = metadata(installed).get_all("Requires-Dist", [])
    assert re.fullmatch(r"msgspec>=[\d.]+", needed)


def test_the_wheel_holds_the_client_its_types_and_its_licence(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    modules = (ROOT / "client" / "risk_sidecar_client").glob("*.py")
    package = {f"risk_sidecar_client/{path.name}" for path in modules}
    assert {file for file in files if not file.startswith("risk_sidecar_client-")} == package | {
        "risk_sidecar_client/py.typed"
    }
    (licence,) = installed.glob("*.dist-info/licenses/LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_a_fresh_interpreter_loads_nothing_of_the_engine(installed, tmp_path):
    code = "import sys, risk_sidecar_client as c; print(c.__file__, *{m.partition('.')[0] for m in sys.modules})"
    where, *loaded = python(code, installed, tmp_path).split()
    assert Path(where).parent == installed / "risk_sidecar_client"
    assert "msgspec" in loaded
    assert not HEAVY & set(loaded)


def test_it_has_the_sidecars_version_which_asks_for_this_very_one():
    assert CLIENT["version"] == PROJECT["version"]
    assert f"risk-sidecar-client=={CLIENT['version']}" in PROJECT["dependencies"]
    assert CLIENT["requires-python"] == PROJECT["requires-python"]


def test_it_takes_every_msgspec_that_the_sidecar_takes():
    (own,) = CLIENT["dependencies"]
    (others,) = [name for name in PROJECT["dependencies"] if name.startswith("msgspec")]
    lowest = [tuple(map(int, text.partition(">=")[2].split("."))) for text in (own, others)]
    assert lowest[0] <= lowest[1]


def test_the_first_name_gives_the_very_objects():
    assert sidecar.client.__all__ == risk_sidecar_client.__all__
    for name in risk_sidecar_client.__all__:
        assert getattr(sidecar.client, name) is getattr(risk_sidecar_client, name)
    assert sidecar.Client is risk_sidecar_client.Client
    assert sidecar.AsyncClient is risk_sidecar_client.AsyncClient


def test_the_example_of_its_page_refuses_where_no_sidecar_listens(installed, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    example = example.replace("/run/risk-sidecar/order.sock", str(tmp_path / "o.sock"))
    assert python(example, installed, tmp_path).startswith("('NO_ANSWER',) no sidecar listens on")
