"""The command as a person types it: real processes, exit codes, files, messages."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pickwell.selection_files import open_selection, sha256

METRICS = "length,repetition,boilerplate,image_quality"


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_from_a_file_made_by_hand_to_a_selection(llava, pickwell, tmp_path):
    scored = pickwell("score", llava, "--out", "run", "--metrics", METRICS)
    assert scored.returncode == 0, scored.stderr
    assert "llava" in scored.stderr and "60 rows scored" in scored.stdout
    chosen = pickwell("select", "run", "--out", "picked", "--budget", 12)
    assert chosen.returncode == 0, chosen.stderr
    assert "12 of 60 chosen" in chosen.stdout
    folder = tmp_path / "picked"
    selection = open_selection(folder)
    assert len(selection.ids) == 12
    originals = lines_of(llava)
    copied = lines_of(next((folder / "data").glob("*.jsonl")))
    assert len(copied) == 12 and set(copied) <= set(originals)
    assert {json.loads(line)["id"] for line in copied} == set(selection.ids)
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["outputs"]:
        assert sha256(folder / entry["path"]) == entry["sha256"]
    assert manifest["inputs"][0]["sha256"] == sha256(llava)
    page = (folder / "report.html").read_text()
    assert "p59" in page
    assert (folder / "README.md").read_text().startswith("---\n")
    why = pickwell("explain", "picked", selection.ids[0])
    assert why.returncode == 0 and "chosen" in why.stdout
    refused = next(r for r in selection.table.to_pylist() if r["stage"] != "chosen")
    why_not = pickwell("explain", "picked", refused["id"])
    assert why_not.returncode == 0 and refused["reason"].split(";")[0] in why_not.stdout
    assert pickwell("explain", "picked", "p5999").returncode == 2
    again = pickwell("report", "picked", "--out", "again.html")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.html").stat().st_size > 10_000


def test_another_budget_runs_no_model_and_the_same_command_gives_the_same(
    llava, pickwell_here, tmp_path
):
    pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    for name in ("a", "b"):
        assert pickwell_here("select", "run", "--out", name, "-b", 9).returncode == 0
    first, second = (pq.read_table(tmp_path / n / "selection.parquet") for n in "ab")
    assert first.equals(second)
    shuffled = lines_of(llava)
    np.random.default_rng(0).shuffle(shuffled)
    (llava.parent / "shuffled.jsonl").write_text("\n".join(shuffled) + "\n")
    pickwell_here("score", llava.parent / "shuffled.jsonl", "--out", "run2", "--metrics", METRICS)
    pickwell_here("select", "run2", "--out", "c", "-b", 9)
    assert open_selection(tmp_path / "c").ids == open_selection(tmp_path / "a").ids


def test_a_constant_column_is_said_to_say_nothing(llava, pickwell_here, tmp_path):
    rows = [f"p{n},{n},{7 if n == 3 else 1},{n % 2}" for n in range(60)]
    (tmp_path / "mine.csv").write_text("id,mine,flat,coin\n" + "\n".join(rows) + "\n")
    (llava.parent / "images" / "3.png").write_bytes(b"")  # the only row that is not as the others
    words = ("--models", "none", "--metrics", "length,repetition", "--import", "mine.csv")
    pickwell_here("score", llava, "--out", "run", *words)
    chosen = pickwell_here("select", "run", "-o", "picked", "-b", 5, "--by", "mine")
    (line,) = [line for line in chosen.stdout.splitlines() if line.startswith("The same in every")]
    assert "repetition" in line and "language" not in line
    assert "repetition" not in chosen.stdout.replace(line, "")
    page = (tmp_path / "picked" / "report.html").read_text()
    table = page[page.index("Chosen beside random") : page.index('<section id="scores"')]
    assert "Same in every row" in table[table.index(">flat ") :]
    assert "says nothing" not in table[table.index(">coin ") :].split("</tr>")[0]


def test_copied_images_are_read_back_without_a_word(llava, pickwell_here, tmp_path):
    pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    chosen = pickwell_here("select", "run", "--out", "picked", "-b", 7, "--copy-images")
    assert chosen.returncode == 0, chosen.stderr
    data = tmp_path / "picked" / "data"
    names = {json.loads(line)["image"] for line in lines_of(data / "pairs.jsonl")}
    assert {str(path.relative_to(data)) for path in data.rglob("*.png")} == names
    again = pickwell_here("score", data / "pairs.jsonl", "-o", "again", "--metrics", METRICS)
    assert (
        again.returncode == 0
        and "7 rows scored" in again.stdout
        and "0 of them bad" in (again.stdout)
    )
    first, second = (
        {row["id"]: row for row in pq.read_table(tmp_path / name / "scores.parquet").to_pylist()}
        for name in ("run", "again")
    )
    for id_, row in second.items():
        assert row["image_entropy"] == first[id_]["image_entropy"]


def spoil(llava: Path) -> dict[str, str]:
    """Put one of each kind of trouble into the data; id of the bad row to a word of its reason."""
    folder = llava.parent / "images"
    rows = [json.loads(line) for line in lines_of(llava)]
    whole = (folder / "0.png").read_bytes()
    (folder / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "1.png").write_bytes(b"")
    (folder / "2.png").write_bytes(b"this is text, not a picture")
    (folder / "3.png").unlink()
    Image.new("1", (9000, 9000)).save(folder / "4.png")
    rows[5]["image"] = "../../../../etc/passwd"
    rows[6]["image"] = "http://127.0.0.1:9/x.png"
    rows[7]["conversations"][1]["value"] = ""
    rows[9]["id"] = "p8"
    # and what looks bad but is not
    good = Image.open(folder / "10.png").convert("RGB")
    good.convert("CMYK").save(folder / "10.jpg")
    rows[10]["image"] = "images/10.jpg"
    grey = np.arange(96 * 80, dtype=np.uint16).reshape(80, 96) * 8
    Image.fromarray(grey).save(folder / "11.png")
    frames = [good.rotate(a) for a in (0, 90)]
    frames[0].save(folder / "12.gif", save_all=True, append_images=frames[1:])
    rows[12]["image"] = "images/12.gif"
    exif = Image.Exif()
    exif[0x0112] = 6
    good.save(folder / "13.jpg", exif=exif)
    (folder / "13.png").write_bytes((folder / "13.jpg").read_bytes())  # wrongly named
    rows[14]["conversations"][1]["value"] = "long " * 20_000
    rows[15]["conversations"][1]["value"] = "<script>document.title='owned'</script>"
    lines = [json.dumps(row) for row in rows]
    lines[16] = '{"id": "p16", "conversations": [{"from"'
    llava.write_text("\n".join(lines) + "\n")
    return {
        "p0": "truncated",
        "p1": "empty",
        "p2": "image",
        "p3": "missing",
        "p4": "pixels",
        "p5": "leaves",
        "p6": "URL",
        "p7": "response is empty",
    }


def test_exactly_the_bad_rows_are_marked(llava, pickwell_here, tmp_path):
    expected = spoil(llava)
    scored = pickwell_here("score", llava, "--out", "run", "--metrics", METRICS, "--strict")
    assert scored.returncode == 1, scored.stderr
    rows = pq.read_table(tmp_path / "run" / "scores.parquet").to_pylist()
    assert len(rows) == 60
    bad = {n for n, row in enumerate(rows) if row["status"] == "bad"}
    assert bad == {0, 1, 2, 3, 4, 5, 6, 7, 9, 16}
    for number, (_, word) in enumerate(expected.items()):
        assert word.casefold() in rows[number]["error"].casefold(), rows[number]
    assert "duplicate" in rows[9]["error"]
    assert "JSON" in rows[16]["error"]
    assert all(rows[n]["image_width"] is None for n in bad)
    assert all(rows[n]["image_width"] for n in range(60) if n not in bad)
    assert rows[14]["characters"] > 99_000
    assert (rows[13]["image_width"], rows[13]["image_height"]) == (80, 96)  # turned upright
    loose = pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    assert loose.returncode == 0
    chosen = pickwell_here("select", "run", "--out", "picked", "-b", 50, "--no-default-floors")
    assert chosen.returncode == 0, chosen.stderr
    selection = open_selection(tmp_path / "picked")
    assert selection.funnel()["failed"] == 10
    page = (tmp_path / "picked" / "report.html").read_text()
    assert "<script>document.title" not in page
    copied = next((tmp_path / "picked" / "data").glob("*.jsonl"))
    assert set(lines_of(copied)) <= set(lines_of(llava))


def test_nan_in_an_imported_column(llava, pickwell_here, tmp_path):
    values = "id,mine\n" + "".join(f"p{n},{'nan' if n == 3 else n / 60}\n" for n in range(60))
    (tmp_path / "mine.csv").write_text(values)
    scored = pickwell_here(
        "score", llava, "--out", "run", "--metrics", METRICS, "--import", "mine.csv"
    )
    assert scored.returncode == 0, scored.stderr
    chosen = pickwell_here(
        "select", "run", "--out", "picked", "-b", 5, "--by", "mine", "--method", "top"
    )
    assert chosen.returncode == 0, chosen.stderr
    selection = open_selection(tmp_path / "picked")
    assert selection.ids == ["p59", "p58", "p57", "p56", "p55"]
    row = next(r for r in selection.table.to_pylist() if r["id"] == "p3")
    assert row["stage"] == "floored" and "no quality" in row["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "absent.json", "--out", "run"], "absent.json"),
        (["score", "DATA", "--out", "run", "--metrics", "lenght"], "Did you mean 'length'"),
        (["score", "DATA", "--out", "run", "--models", "embeded"], "embedded"),
        (["score", "DATA", "--out", "run", "--format", "lava"], "llava"),
        (["score", "DATA", "--out", "DATA"], "is a file"),
        (["score", "DATA", "--out", "run", "--config", "typo.yaml"], "did you mean 'metrics'"),
        (["score", "DATA", "--out", "run", "--columns", "image"], "FIELD=COLUMN"),
        (["select", "nothing", "--out", "picked"], "no finished run"),
        (["select", "RUN", "--out", "picked", "--by", "lenght"], "no numeric column"),
        (["select", "RUN", "--out", "picked", "--method", "best"], "unknown method"),
        (["select", "RUN", "--out", "picked", "--floor", "repetiton<=1"], "repetition"),
        (["select", "RUN", "--out", "picked", "--space", "audio"], "space"),
        (["select", "RUN", "--out", "."], "not empty"),
        (["select", "RUN", "--out", "foreign"], "not empty"),
        (["select", "RUN", "--out", "picked", "--method", "top", "--clusters", "4"], "--clusters"),
        (["select", "RUN", "--out", "picked", "--consensus", "lenght"], "no numeric column"),
        (["score", "DATA", "--out", "run2", "--import", "broken.csv"], "'-' in the column 'mine'"),
        (["explain", "nothing", "p1"], "no selection"),
        (["metrics", "algnment"], "alignment"),
    ],
)
def test_bad_input_is_said_plainly(words, message, llava, pickwell_here, tmp_path):
    (tmp_path / "typo.yaml").write_text("score:\n  metric: [length]\n")
    (tmp_path / "broken.csv").write_text("id,mine\np1,1\np2,-\np3,2\n")
    (tmp_path / "foreign").mkdir()
    for name in ("manifest.json", "precious.txt"):
        (tmp_path / "foreign" / name).write_text("{}")
    names = {"DATA": str(llava), "RUN": "run"}
    if "RUN" in words:
        assert pickwell_here("score", llava, "--out", "run", "--metrics", METRICS).returncode == 0
    result = pickwell_here(*[names.get(word, word) for word in words])
    assert result.returncode == 2, result.stdout + result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "picked").exists() and not (tmp_path / "run2").exists()
    assert (tmp_path / "foreign" / "precious.txt").exists()


def test_a_report_is_not_drawn_from_another_run(llava, pickwell_here, tmp_path):
    pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    assert pickwell_here("select", "run", "--out", "picked", "-b", 5).returncode == 0
    before = (tmp_path / "picked" / "report.html").read_bytes()
    pickwell_here("score", llava, "--out", "run", "--metrics", "length")
    stale = pickwell_here("report", "picked")
    assert stale.returncode == 2 and "scored again" in stale.stderr
    assert (tmp_path / "picked" / "report.html").read_bytes() == before


def test_a_run_of_bad_rows_only(llava, pickwell_here, tmp_path):
    for path in (llava.parent / "images").iterdir():
        path.write_bytes(b"")
    pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    result = pickwell_here("select", "run", "--out", "picked")
    assert result.returncode == 2 and "All 60 rows" in result.stderr


@pytest.mark.parametrize("longer", [False, True])
def test_changed_input_is_noticed(longer, llava, pickwell_here):
    pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    text = llava.read_text()
    llava.write_text(text + "\n" if longer else text.replace("a", "e", 1))
    result = pickwell_here("select", "run", "--out", "picked")
    assert result.returncode == 2
    assert "has changed since it was scored" in result.stderr


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "pickwell", *map(str, words)]


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_anywhere_resumes(kill, llava, tmp_path):
    config = tmp_path / "small.yaml"
    config.write_text(
        "score:\n  shard_rows: 4\n  metrics: [length, repetition, boilerplate, image_quality]\n"
    )
    words = command("score", llava, "--out", tmp_path / "run", "--config", config)
    for attempt in range(5):  # a quick machine may be done before it can be killed
        store = tmp_path / f"cache{attempt}"
        environment = os.environ | {"PICKWELL_CACHE": str(store)}
        process = subprocess.Popen(
            words,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            # what runs in a shell's background ignores Ctrl-C, and so would this
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if len(list(store.rglob("*.arrow"))) >= 8:
                process.send_signal(kill)
                break
            time.sleep(0.002)
        _, messages = process.communicate(timeout=60)
        if process.returncode != 0:
            break
        shutil.rmtree(tmp_path / "run")
    assert process.returncode != 0, "never killed in time"
    assert not (tmp_path / "run" / "run.json").exists()
    if kill == signal.SIGINT:
        assert process.returncode == 130
        assert "goes on where it stopped" in messages
    done = len(list(store.rglob("*.arrow")))
    assert done >= 8
    resumed = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    fresh = environment | {"PICKWELL_CACHE": str(tmp_path / "other")}
    words = command("score", llava, "--out", tmp_path / "fresh", "--config", config)
    subprocess.run(words, env=fresh, check=True, capture_output=True)
    tables = [pq.read_table(tmp_path / n / "scores.parquet") for n in ("run", "fresh")]
    assert tables[0].equals(tables[1])
    computed = json.loads((tmp_path / "run" / "run.json").read_text())["computed"]
    assert computed["images_decoded"] < 60


def test_a_full_disk_loses_nothing(llava, pickwell, tmp_path):
    """A real full disk: a small tmpfs, where one may mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        words = ("score", llava, "--out", disk / "run", "--metrics", METRICS)
        full = pickwell(*words, PICKWELL_CACHE=str(disk / "cache"))
        assert full.returncode == 2, full.stdout + full.stderr
        assert "The disk is full" in full.stderr
        assert "Traceback" not in full.stderr and "Exception ignored" not in full.stderr
        assert not (disk / "run" / "run.json").exists()
        assert not list((disk / "run").rglob(".*.partial"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert pickwell(*words, PICKWELL_CACHE=str(disk / "cache")).returncode == 0
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_public_names_resolve():
    import pickwell

    for name in pickwell.__all__:
        assert getattr(pickwell, name) is not None
    with pytest.raises(AttributeError):
        pickwell.nothing  # noqa: B018


def test_a_metric_may_be_named_by_its_column():
    from data_cards import BadInputError
    from pickwell.scoring_job import metric_names

    assert metric_names(["ifd", "length", "response_nll"]) == ["likelihood", "length"]
    assert metric_names(None) is None
    with pytest.raises(BadInputError, match="no metric 'iffd'"):
        metric_names(["iffd"])
