import os
import subprocess
import sys

import pytest

from data_cards import BadInputError
from pickwell.watching.lock import LOCK, only_one


def test_the_second_is_refused_and_told_who(tmp_path):
    with only_one(tmp_path / "out"):
        with (
            pytest.raises(BadInputError, match=f"process {os.getpid()}"),
            only_one(tmp_path / "out"),
        ):
            pass
        with only_one(tmp_path / "other"):
            pass
    with only_one(tmp_path / "out"):
        pass


def test_what_a_killed_one_left_locks_nothing(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from pickwell.watching.lock import only_one\n"
        f"with only_one(Path({str(tmp_path)!r})): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (tmp_path / LOCK).read_text().strip().isdigit()
    with only_one(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
