"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_library_example_prints_what_it_says(tmp_path):
    """Every comment line under a print is that print's output."""
    example = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))[0]
    run = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    promised = [line[2:] for line in example.splitlines() if line.startswith("# ")]
    assert run.stdout.splitlines() == promised
    assert (tmp_path / "state.json").exists()


def test_the_demonstration_runs_to_its_end():
    run = subprocess.run(
        [sys.executable, "-m", "sidecar.demonstration"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "MAX_ORDER_NOTIONAL" in run.stdout
    assert "LIQUIDATING: Liquidate" in run.stdout
