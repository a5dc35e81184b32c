"""What lands is scored once, whatever happens to it."""

import json
import shutil
import threading
import time

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from data_cards import BadInputError
from pickwell.scoring_job import score
from pickwell.watch_job import watch
from scoring.run import Run


@pytest.fixture
def watched(plain, tmp_path):
    """A folder to land in, and its runs; a look at what is there; what was told."""
    folder, out = tmp_path / "landing", tmp_path / "out"
    folder.mkdir()
    shutil.copytree(plain.home / "images", folder / "images")
    told = []

    def look(**options):
        del told[:]
        options = {"like": plain.chosen, "cache": plain.cache, "settle": 0.05} | options
        return watch(folder, out, once=True, told=told.append, **options)

    look.folder, look.out, look.told = folder, out, told
    look.runs = lambda: sorted(path.parent.name for path in out.glob("*/run.json"))
    look.ledger = lambda: list(map(json.loads, (out / "ledger.jsonl").read_text().splitlines()))
    return look


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_each_content_once(watched, plain, tmp_path):
    first = write(
        watched.folder / "a.jsonl", [plain.record(n, f"images/{n}.png") for n in (30, 31)]
    )
    write(
        watched.folder / "b.jsonl", [plain.record(32, "images/32.png"), plain.record(33, "no.png")]
    )
    tally = watched()
    assert (tally.scored, tally.same, tally.failed) == (2, 0, 0)
    assert [(e["name"], e["rows"], e["bad"]) for e in watched.told] == [
        ("a.jsonl", 2, 0), ("b.jsonl", 2, 1),
    ]  # fmt: skip
    entry = watched.told[0]
    assert entry["run"] == f"a-{entry['sha256'][:12]}" in watched.runs()
    run = Run.open(watched.out / entry["run"])
    wanted = score(first, tmp_path / "as-usual", like=plain.chosen, cache=plain.cache)
    assert run.scores.equals(wanted.scores) and (run.folder / "drift.json").exists()

    before = {path: path.stat().st_mtime_ns for path in watched.out.glob("*/*")}
    assert watched().scored == 0 and watched.told == []

    shutil.copy(first, watched.folder / "c.jsonl")  # the same under another name
    first.touch()  # and looked at again
    assert watched().same == 2
    assert [(e["name"], e["same_as"]) for e in watched.told] == [
        ("a.jsonl", "a.jsonl"), ("c.jsonl", "a.jsonl"),
    ]  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in before} == before

    with first.open("a") as file:  # a changed file is a new one
        file.write(json.dumps(plain.record(34, "images/34.png")) + "\n")
    assert watched().scored == 1 and watched.told[0]["rows"] == 3 and len(watched.runs()) == 3
    assert [e["outcome"] for e in watched.ledger()] == ["opened", *["scored"] * 2, *["same"] * 2,
                                                        "scored"]  # fmt: skip


def test_a_broken_file_is_tried_once(watched, plain):
    broken = watched.folder / "broken.jsonl"
    broken.write_text("this is no JSON\n")
    (watched.folder / "empty.json").write_text("")
    (watched.folder / "torn.parquet").write_bytes(b"PAR1 and no more")
    write(watched.folder / "good.jsonl", [plain.record(30, "images/30.png")])
    tally = watched()
    assert (tally.scored, tally.failed) == (1, 3)
    for entry in watched.told:
        if entry["outcome"] == "failed":
            assert entry["name"] in entry["error"] and entry["remedy"]
    assert len(watched.runs()) == 1 and not list(watched.out.glob("broken*"))
    assert watched().failed == 0 and watched.told == []
    broken.touch()
    assert watched().failed == 0 and "error" in watched.told[0]
    write(broken, [plain.record(31, "images/31.png")])
    assert watched().scored == 1 and len(watched.runs()) == 2


def test_every_format(watched, plain):
    rows = [{"id": str(n), "question": "What?", "answer": f"A box {n}."} for n in range(3)]
    (watched.folder / "a.json").write_text(json.dumps([plain.record(n, None) for n in range(3)]))
    table = pa.Table.from_pylist(rows)
    pyarrow.csv.write_csv(table, watched.folder / "b.csv")
    pq.write_table(table.append_column("n", [[1, 2, 3]]), watched.folder / "c.parquet")
    folder = watched.folder / ".landing"
    folder.mkdir()
    for number in range(3):
        shutil.copy(plain.home / "images" / f"{number}.png", folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"A drawing with number {number}.")
    shutil.make_archive(str(watched.folder / "e"), "tar", folder)
    folder.rename(watched.folder / "d")
    assert watched().scored == 5, watched.told
    assert {e["name"]: e["rows"] for e in watched.told} == dict.fromkeys(
        ("a.json", "b.csv", "c.parquet", "d", "e.tar"), 3
    )


def test_images_may_lie_elsewhere(watched, plain):
    shutil.rmtree(watched.folder / "images")
    write(watched.folder / "a.jsonl", [plain.record(30, "images/30.png")])
    watched(images=plain.home, format="llava")
    assert (watched.told[0]["rows"], watched.told[0]["bad"]) == (1, 0)


def test_what_was_scored_before_a_kill_is_taken_over(watched, plain):
    """Killed between the run and the ledger's line; the file was renamed since."""
    write(watched.folder / "a.jsonl", [plain.record(30, "images/30.png")])
    watched()
    lines = (watched.out / "ledger.jsonl").read_text().splitlines(keepends=True)
    (watched.out / "ledger.jsonl").write_text(lines[0] + lines[1][:20])
    (watched.folder / "a.jsonl").rename(watched.folder / "b.jsonl")
    manifest = next(watched.out.glob("*/run.json"))
    before = manifest.stat().st_mtime_ns
    assert watched().scored == 1
    assert manifest.stat().st_mtime_ns == before and watched.told[0]["run"] == manifest.parent.name
    assert len(watched.runs()) == 1


def test_a_file_that_grows_is_waited_for(watched, plain):
    path = watched.folder / "a.jsonl"
    path.write_text("")
    stop = threading.Event()

    def grow():
        for number in range(30, 38):
            with path.open("a") as file:
                file.write(json.dumps(plain.record(number, f"images/{number}.png")) + "\n")
            time.sleep(0.1)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        watched(settle=1.0)
    finally:
        writer.join()
        stop.set()
    assert [e["rows"] for e in watched.told] == [8]


def test_a_file_that_changes_while_it_is_scored(watched, plain, monkeypatch):
    from pickwell.watching import watcher

    path = write(watched.folder / "a.jsonl", [plain.record(30, "images/30.png")])
    real, calls = watcher.score_like, []

    def changing(*words, **options):
        run = real(*words, **options)
        if not calls:
            write(path, [plain.record(n, f"images/{n}.png") for n in (31, 32)])
        calls.append(run.folder.name)
        return run

    monkeypatch.setattr(watcher, "score_like", changing)
    assert watched().scored == 1 and len(calls) == 2
    assert watched.runs() == [calls[1]] and watched.told[0]["rows"] == 2


def test_an_unforeseen_failure_ends_no_watch(watched, plain, monkeypatch):
    from pickwell.watching import watcher

    for name in "ab":
        write(watched.folder / f"{name}.jsonl", [plain.record(30 + ord(name) % 2, None)])
    real = watcher.score_like

    def failing(data, *words, **options):
        if data.name == "a.jsonl":
            raise KeyError("oh")
        return real(data, *words, **options)

    monkeypatch.setattr(watcher, "score_like", failing)
    tally = watched()
    assert (tally.scored, tally.failed) == (1, 1) and "KeyError" in watched.told[0]["error"]


def test_a_full_disk_is_not_the_files_fault(watched, plain, monkeypatch):
    from pickwell.watching import watcher

    write(watched.folder / "a.jsonl", [plain.record(30, None)])

    def full(*words, **options):
        raise OSError(28, "No space left on device", str(watched.out / "x"))

    monkeypatch.setattr(watcher, "score_like", full)
    with pytest.raises(OSError, match="No space"):
        watched()
    monkeypatch.undo()
    assert watched().scored == 1


def test_whatever_a_reader_stumbles_over_is_the_files_fault(watched, plain, monkeypatch):
    """An error without a file name came from a broken archive, and ended the watch for ever."""
    from pickwell.watching import watcher

    for name in "ab":
        write(watched.folder / f"{name}.jsonl", [plain.record(30 + ord(name) % 2, None)])
    real = watcher.score_like

    def failing(data, *words, **options):
        if data.name == "a.jsonl":
            raise OSError("Not a gzipped file")
        return real(data, *words, **options)

    monkeypatch.setattr(watcher, "score_like", failing)
    tally = watched()
    assert (tally.scored, tally.failed) == (1, 1)
    assert watched.told[0]["error"].endswith("a.jsonl cannot be read: Not a gzipped file.")


def test_a_failure_is_tried_again_with_other_options_or_when_told(watched, plain):
    records = [plain.record(30, "images/30.png")]
    (watched.folder / "a.json").write_text(json.dumps(records)[:-1])
    (watched.folder / "b.txt").write_text(json.dumps(records))
    assert watched().failed == 1 and watched().failed == 0
    tally = watched(format="llava")  # the remedy that was printed; pictures are still none
    assert (tally.scored, tally.failed) == (1, 1), watched.told
    assert watched(format="llava").failed == 0
    gone = plain.home / "gone"
    assert watched(images=gone).failed == 1 and watched(images=gone).failed == 0
    assert watched(images=gone, retry=True).failed == 1
    assert watched.told[0]["options"] == {"images": str(gone)}


def test_a_folder_with_a_link_to_nowhere_is_told_of(watched, plain):
    folder = watched.folder / "captions"
    folder.mkdir()
    shutil.copy(plain.home / "images" / "1.png", folder / "1.png")
    (folder / "1.txt").write_text("A drawing.")
    (folder / "2.png").symlink_to(folder / "nowhere")
    assert (
        watched().failed == 1 and "2.png cannot be read: No such file" in watched.told[0]["error"]
    )
    (folder / "2.png").unlink()
    assert watched().scored == 1


def test_what_cannot_be_watched(watched, plain, tmp_path):
    with pytest.raises(BadInputError, match="no folder"):
        watch(tmp_path / "nowhere", tmp_path / "o", like=plain.run, once=True)
    for inside in (watched.folder, watched.folder / "out"):
        with pytest.raises(BadInputError, match="lies in"):
            watch(watched.folder, inside, like=plain.run, once=True)
    watched()
    with pytest.raises(BadInputError, match="scored like"):
        watched(like=plain.run)


def test_a_reference_that_was_scored_again_ends_the_watch(watched, plain, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(plain.run, copied)
    path = write(watched.folder / "a.jsonl", [plain.record(30, None)])
    stop, error = threading.Event(), []

    def go():
        try:
            watch(
                watched.folder, tmp_path / "o", like=copied, cache=plain.cache, settle=0.05,
                poll=0.1, stop=stop, told=watched.told.append,
            )  # fmt: skip
        except BadInputError as raised:
            error.append(raised)

    thread = threading.Thread(target=go)
    thread.start()
    until = time.monotonic() + 120
    while not watched.told and time.monotonic() < until:
        time.sleep(0.05)
    manifest = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps(manifest | {"seconds": 0}))
    write(path, [plain.record(31, None)])
    thread.join(120)
    stop.set()
    assert error and "was scored again" in error[0].message
