"""The tutorial's commands, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _packages() -> Path | None:
    given = os.environ.get("PICKWELL_DEMO_PACKAGES")
    for path in ([Path(given)] if given else []) + [ROOT / ".demo" / "packages"]:
        if (path / "usr" / "share").is_dir():
            return path
    return None


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_tutorial(pool_cache: Path, tmp_path: Path) -> None:
    """In order, in an empty folder; a command that fails is named with what it said."""
    packages = _packages()
    if packages is None:
        pytest.skip("the demo packages are not unpacked: type `make demo-data`")
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "packages").symlink_to(packages.resolve())
    blocks = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text("utf-8"))
    assert {kind for kind, _ in blocks} == {"sh", "python"}
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PICKWELL_CACHE": str(pool_cache),
    }
    for kind, text in blocks:
        command = ["sh", "-e", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    runs = tmp_path / "runs"
    assert (runs / "chosen-80" / "report.html").is_file()
    assert (runs / "evaluation" / "evaluation.json").is_file()
    assert (runs / "tuned" / "training.json").is_file()
