"""The front door: quick, light, and its exit codes."""

import errno
import os
import resource
import statistics
import subprocess
import sys

import pytest


def seconds_of(*words: str) -> float:
    """CPU time of a process and its children, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_takes_half_a_second_at_most_above_bare_python():
    bare = statistics.median(seconds_of("-c", "pass") for _ in range(5))
    asked = statistics.median(seconds_of("-m", "pickwell", "--help") for _ in range(5))
    assert asked - bare < 0.5, (asked, bare)


def test_help_imports_nothing_heavy():
    code = (
        "import sys, pickwell\n"
        "sys.argv = ['pickwell', '--help']\n"
        "from pickwell.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'open_clip', 'sklearn', 'pyarrow', 'datasets'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Exit codes" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["score", "DATA", "--out", "DATA/run"],
        ["score", "DATA", "--out", "/proc/nowhere/run"],
        ["score", "DATA", "--out", "run2", "--cache", "DATA"],
        ["select", "run", "--out", "DATA/picked", "--by", "words"],
        ["report", "picked", "--out", "DATA/page.html"],
        ["report", "picked", "--out", "images"],
    ],
)
def test_a_place_that_cannot_be_written_is_named(words, llava, pickwell_here, tmp_path):
    scored = ("--models", "none", "--metrics", "length")
    (tmp_path / "images").mkdir()
    if words[0] != "score":
        assert pickwell_here("score", llava, "--out", "run", *scored).returncode == 0
    if words[0] == "report":
        assert pickwell_here("select", "run", "-o", "picked", "--by", "words").returncode == 0
    typed = [word.replace("DATA", str(llava)) for word in words]
    result = pickwell_here(*typed, *(scored if words[0] == "score" else ()))
    assert result.returncode == 2, result.stderr
    assert "cannot be read or written" in result.stderr


def test_other_failures_of_the_system_are_not_explained_away(pickwell_here, monkeypatch, llava):
    def broken(*args: object, **options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "disk")

    monkeypatch.setattr("pickwell.scoring_job.score", broken)
    with pytest.raises(OSError, match="disk"):
        pickwell_here("score", llava, "--out", "run")


def test_help_of_a_narrow_terminal_cuts_no_option():
    words = [sys.executable, "-m", "pickwell", "compare", "--help"]
    for columns, framed in (("80", False), ("120", True)):
        shown = subprocess.run(
            words, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": columns}
        ).stdout
        assert ("╭" in shown) is framed
        if not framed:
            for option in ("--gradient-accumulation", "--cache-features", "--trust-remote-code"):
                assert option in shown
            assert "…" not in shown
