"""What the repository promises about its own installation."""

import ast
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CLIENT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {"risk-sidecar-client"}  # installed from ./client, so in no lock and on no index
LOCKS = [
    "requirements.lock",
    "requirements-bench.lock",
    "requirements-build.lock",
    "requirements-run.lock",
]


def names(requirements):
    return {re.split(r"[<>=!~;\[ ]", requirement)[0].lower() for requirement in requirements}


def wanted():
    """Every dependency of both distributions: the sidecar's, and the client's that bots import."""
    project = PROJECT["project"]
    return names(
        project["dependencies"]
        + CLIENT["dependencies"]
        + [name for group in project["optional-dependencies"].values() for name in group]
        + PROJECT["dependency-groups"]["bench"]
    )


def test_every_dependency_has_its_reason_on_the_page_and_no_other_has():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)) - {"package"}
    assert listed == wanted()


def test_every_dependency_that_is_installed_here_is_locked():
    text = "".join((ROOT / lock).read_text(encoding="utf-8") for lock in LOCKS)
    unlocked = names(PROJECT["project"]["optional-dependencies"]["verify"])  # where they are wanted
    assert wanted() - unlocked - OWN <= set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_the_client_is_in_no_lock(lock):
    """If this fails: `make lock` leaves it out. It would be taken from an index, where its name may be anybody's."""
    assert not OWN & locked(lock)


def test_the_client_is_looked_for_in_its_folder_alone():
    assert PROJECT["tool"]["uv"]["sources"] == {name: {"path": "client"} for name in OWN}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"--no-emit-package {name} " in makefile for name in OWN)


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_who_is_told_to_install_the_sidecar_is_told_to_install_the_client_beside_it(page):
    """`pip install .` alone would ask an index for the client."""
    text = (ROOT / page).read_text(encoding="utf-8")
    installs = re.findall(r"pip install ((?:[-\w./]+ )*\.)(?=[`\n])", text)
    assert installs
    assert all(told.endswith("./client .") for told in installs)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_path(lock):
    """Law: where packages come from is the machine's business, never the project's."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*-[-a-z]*(index|find-links)|^\s*-[eif] ", text, re.MULTILINE)


# ---------------------------------------------------------------------------------------- the image
# There may be no engine to build it with where the tests run: what can be known without one is.

STAGES = re.split(
    r"^FROM ", re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8")), flags=re.MULTILINE
)[1:]


def instructions(name, stages=STAGES):
    """The arguments of every instruction of this name, in order."""
    return [
        line.partition(" ")[2].strip()
        for stage in stages
        for line in stage.splitlines()[1:]
        if line.startswith(f"{name} ")
    ]


def position(name):
    return STAGES[-1].index(f"\n{name} ")


def locked(path):
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / path).read_text("utf-8"), re.MULTILINE))


def test_everything_that_the_image_copies_exists_and_reaches_the_builder():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    for words in instructions("COPY", STAGES[:1]):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.removeprefix('./')}" in ignored, source


@pytest.mark.parametrize(
    "name", ["state", ".git", ".venv", "cdp-key.json", "config", "tests", ".env"]
)
def test_nothing_else_reaches_the_builder(name):
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert f"!{name}" not in ignored


def test_the_image_installs_by_hash_and_fetches_nothing_else():
    installs = [
        part
        for line in instructions("RUN")
        for part in line.split("&&")
        if re.search(r"pip\b.* (install|wheel) ", part)
    ]
    assert len(installs) == 4
    for part in installs:
        assert "--require-hashes" in part or "--no-index" in part, part
    assert any("requirements-run.lock" in part and "/opt/" in part for part in installs)
    assert not any("requirements.lock" in part for part in installs)


def test_the_image_runs_as_a_fixed_user_with_its_state_in_a_volume():
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert STAGES[-1].count(f"--uid {user.partition(':')[0]} ") == 1
    assert position("USER") < position("ENTRYPOINT") < position("CMD")
    assert "/var/lib/risk-sidecar" in instructions("VOLUME")[0]
    assert "--mode=0700 /var/lib/risk-sidecar" in STAGES[-1]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["risk-sidecar"]
    assert json.loads(instructions("CMD")[0]) == [
        "run",
        "--config",
        "/etc/risk-sidecar/config.toml",
        "--state-dir",  # so that a start finds its state though the file cannot be read
        "/var/lib/risk-sidecar",
    ]


def test_no_secret_and_no_configuration_is_in_a_layer():
    assert instructions("ARG") == []
    assert [re.findall(r"(\w+)=", line) for line in instructions("ENV")] == [
        ["PATH", "PYTHONUNBUFFERED"]
    ]
    for words in instructions("COPY") + instructions("ADD"):
        assert not re.search(r"key|\.pem|config|\.env\b", words.replace("--from=build", "")), words


def test_the_run_time_lock_holds_what_the_sidecar_needs_and_nothing_for_development():
    project = PROJECT["project"]
    assert (
        names(project["dependencies"]) - OWN
        <= locked("requirements-run.lock")
        < locked("requirements.lock")
    )
    only_dev = names(project["optional-dependencies"]["dev"]) - {"uv"}
    assert not locked("requirements-run.lock") & only_dev
    assert names(PROJECT["build-system"]["requires"]) <= locked("requirements-build.lock")


@pytest.mark.parametrize("lock", ["requirements-run.lock", "requirements-build.lock"])
def test_the_narrow_locks_agree_with_the_whole_one(lock):
    """If this fails: `make lock`, and commit the locks together."""
    whole = (ROOT / "requirements.lock").read_text("utf-8")
    for pin in re.findall(r"^[a-z0-9-]+==\S+", (ROOT / lock).read_text("utf-8"), re.MULTILINE):
        assert f"\n{pin} " in f"\n{whole}", pin


def test_the_run_time_lock_holds_everything_that_the_sidecar_imports():
    imported = set()
    packages = (ROOT / "sidecar", ROOT / "client" / "risk_sidecar_client")
    for path in chain.from_iterable(package.rglob("*.py") for package in packages):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    extra = {"matplotlib"}  # asked for by name where it is missing
    others = imported - sys.stdlib_module_names - {path.name for path in packages} - extra
    assert len(others) >= 10
    homes = metadata.packages_distributions()
    for module in others:
        assert {name.lower().replace("_", "-") for name in homes[module]} & locked(
            "requirements-run.lock"
        ), module


ORDER_SOCKET = "/run/risk-sidecar/order.sock"


def health_check(order_socket):
    """The image's own, for another socket."""
    (line,) = instructions("HEALTHCHECK")
    command = json.loads(line[line.index("[") :])
    assert command.count(ORDER_SOCKET) == 1
    assert f'order_socket = "{ORDER_SOCKET}"' in (ROOT / "config" / "live.toml").read_text()
    own = str(Path(sys.executable).with_name("risk-sidecar"))
    places = {"risk-sidecar": own, ORDER_SOCKET: str(order_socket)}
    return [places.get(word, word) for word in command]


def test_the_health_check_tells_a_running_sidecar_from_none():
    with tempfile.TemporaryDirectory(prefix="sidecar-health-") as name:  # sockets need short paths
        order_socket = Path(name, "o.sock")
        demo = subprocess.Popen(
            [sys.executable, "-m", "sidecar", "demo", "--no-bot", "--json",
             "--state-dir", name, "--order-socket", str(order_socket)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert demo.stdout is not None
            assert demo.stdout.readline(), "it says where it is once it is ready"
            healthy = subprocess.run(
                health_check(order_socket), capture_output=True, text=True, timeout=60, check=False
            )
        finally:
            demo.terminate()
            demo.communicate(timeout=60)
        gone = subprocess.run(
            health_check(order_socket), capture_output=True, text=True, timeout=60, check=False
        )
    assert healthy.returncode == 0, healthy.stderr
    assert json.loads(healthy.stdout)["state"] == "ACTIVE"
    assert (gone.returncode, demo.returncode) == (2, 0)
