"""`pickwell watch` as a person or a cron job types it; and killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folders(plain, tmp_path):
    (tmp_path / "landing").mkdir()
    shutil.copytree(plain.home / "images", tmp_path / "landing" / "images")
    return tmp_path / "landing", tmp_path / "out"


def put(folder, name, records):
    """As a careful sender puts it: under another name first."""
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / f".{name}").write_text(text)
    (folder / f".{name}").rename(folder / name)


def ledger(out):
    path = out / "ledger.jsonl"
    return list(map(json.loads, path.read_text().splitlines())) if path.exists() else []


def begin(plain, folder, out, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "pickwell", "watch", str(folder), "--like", str(plain.chosen),
         "--out", str(out), "--settle", "0.1", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PICKWELL_CACHE": str(plain.cache), "COLUMNS": "200"},
    )  # fmt: skip


def wait_for(condition, seconds=240):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_once_for_cron(plain, folders, pickwell_here):
    folder, out = folders
    words = ("watch", folder, "--like", plain.chosen, "--out", out, "--once", "--settle", "0.05")
    put(folder, "a.jsonl", [plain.record(30, "images/30.png")])
    done = pickwell_here(*words)
    assert done.returncode == 0 and "a.jsonl: 1 rows, 0 bad" in done.stdout, done.stderr
    assert "too few rows to tell a drift" in done.stdout
    put(folder, "b.jsonl", [])
    done = pickwell_here(*words)
    assert done.returncode == 1 and "b.jsonl holds no records" in done.stderr
    assert done.stderr.count("b.jsonl") == 1
    assert "0 scored, 1 failed, 1 done on an earlier watch; " in done.stdout
    done = pickwell_here(*words)
    assert done.returncode == 0
    assert "0 scored, 0 failed, 1 done on an earlier watch, 1 failed on an earlier" in done.stdout
    done = pickwell_here(*words, "--retry")
    assert done.returncode == 1 and "1 failed" in done.stdout
    done = pickwell_here(*words[:4], "--out", folder / "out", "--once")
    assert done.returncode == 2 and "lies in" in done.stderr


def test_it_sees_what_lands_and_is_alone(plain, folders, pickwell_here):
    pytest.importorskip("watchfiles")
    folder, out = folders
    put(folder, "a.jsonl", [plain.record(30, "images/30.png")])
    # the clock would come too late: it is the events that wake it
    process = begin(plain, folder, out, "--poll", "3000")
    try:
        wait_for(lambda: len(ledger(out)) == 2)
        words = ("watch", folder, "--like", plain.chosen, "--out", out, "--once")
        second = pickwell_here(*words)
        assert second.returncode == 2 and f"process {process.pid}" in second.stderr
        put(folder, "b.jsonl", [plain.record(31, "images/31.png")])
        wait_for(lambda: len(ledger(out)) == 3)
        assert any("b.jsonl: 1 rows" in line for line in process.stdout)  # said after it is noted
    finally:
        process.send_signal(signal.SIGTERM)
        _, problems = process.communicate(timeout=120)
    assert process.returncode == 130 and "Interrupted" in problems
    assert pickwell_here(*words).returncode == 0


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_or_done_twice(plain, folders, pickwell_here):
    folder, out = folders
    for number in range(6):
        put(
            folder,
            f"{number}.jsonl",
            [plain.record(30 + number, f"images/{30 + number}.png", f"Text {number} {m}. " * 50)
             | {"id": f"{number}-{m}"} for m in range(120)],
        )  # fmt: skip
    kills = 0
    moments = (
        lambda: any(out.glob("0-*/*")),
        lambda: any(out.glob("0-*/run.json")),
        lambda: len(ledger(out)) == 3,
        lambda: any(out.glob("4-*/.*.partial")),
    )
    for moment in moments:
        process = begin(plain, folder, out, "--once")
        wait_for(lambda p=process, m=moment: m() or p.poll() is not None)
        kills += process.poll() is None
        process.kill()
        process.communicate()
    assert kills, "it was never killed"
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/run.json")}
    done = pickwell_here(
        "watch", folder, "--like", plain.chosen, "--out", out, "--once", "--settle", "0.05"
    )
    assert done.returncode == 0, done.stderr
    scored = [entry for entry in ledger(out) if entry["outcome"] == "scored"]
    assert sorted(entry["name"] for entry in scored) == [f"{n}.jsonl" for n in range(6)]
    assert [entry["rows"] for entry in scored] == [120] * 6
    assert sorted(p.parent.name for p in out.glob("*/run.json")) == sorted(e["run"] for e in scored)
    assert {path: path.stat().st_mtime_ns for path in written} == written
