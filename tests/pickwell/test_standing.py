"""Metric values of one sample beside the pool and the picks: worked by hand on a small run."""

import json
import shutil

import pytest

from data_cards import BadInputError
from pickwell.scoring_job import open_run
from pickwell.selection_files import open_selection
from pickwell.standing import Standing, run_of, standings, table_of


@pytest.fixture
def selected(llava, pickwell_here, tmp_path):
    """60 rows scored 0 to 59 in ``mine`` (p5 and p7 have none, p5 and p6 cannot be read)."""
    for number in (5, 6):
        (llava.parent / "images" / f"{number}.png").write_bytes(b"")
    values = [f"p{n},{n},1,{'a' if n else ''}" for n in range(60) if n not in (5, 7)]
    (tmp_path / "mine.csv").write_text("id,mine,same,word\n" + "\n".join(values) + "\n")
    scored = pickwell_here(
        "score", llava, "--out", "run", "--models", "none", "--metrics", "length",
        "--import", "mine.csv",
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    words = ("select", "run", "-o", "picked", "-b", 10, "--by", "mine", "--method", "top")
    chosen = pickwell_here(*words)
    assert chosen.returncode == 0, chosen.stderr
    return tmp_path / "picked"


def of(folder, id):
    found = standings(open_run(folder.parent / "run"), open_selection(folder), id)
    return {standing.name: standing for standing in found}


def test_by_hand(selected):
    # 57 readable rows have a value: 0 to 59 without 5, 6 and 7; the picks are 50 to 59.
    mine = of(selected, "p20")["mine"]
    assert mine == Standing(
        "mine", 20.0, "none", pytest.approx(100 * 17.5 / 57), 54.5, "higher", False
    )
    assert of(selected, "p59")["mine"].percentile == pytest.approx(100 * 56.5 / 57)
    assert of(selected, "p59")["mine"].picks_are == "lower"
    assert of(selected, "p7")["mine"] == Standing("mine", None)
    same = of(selected, "p20")["same"]
    assert (same.constant, same.picks_are, same.percentile) == (True, "equal", 50.0)


def test_a_sample_that_could_not_be_read_has_no_standing(selected, pickwell_here):
    assert of(selected, "p5") == {}
    assert of(selected, "p6")["mine"] == Standing("mine", 6)  # a value of its own, no place
    shown = pickwell_here("explain", "picked", "p5")
    assert shown.returncode == 0 and "percentile" not in shown.stdout


def test_the_command_shows_a_plain_table(selected, pickwell_here):
    shown = pickwell_here("explain", "picked", "p20")
    assert shown.returncode == 0 and shown.stderr == ""
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["metric", "better", "value", "percentile", "median", "pick", "the", "picks", "are"] in (
        lines
    )
    assert ["mine", "20", "31", "54.5", "higher"] in lines
    assert ["same", "1", "1", "constant"] in lines
    assert "\x1b" not in shown.stdout


def test_names_and_words_are_never_markup():
    from rich.console import Console

    console = Console(width=100, record=True)
    console.print(table_of([Standing("[bold]x", "[red]no"), Standing("yes", True, "higher", 50.0)]))
    text = console.export_text()
    assert "[bold]x" in text and "[red]no" in text


def test_without_its_run_the_reasons_still_stand(selected, pickwell_here):
    run = selected.parent / "run"
    kept = (run / "run.json").read_text()
    (run / "run.json").write_text(json.dumps(json.loads(kept) | {"seconds": 99}))
    again = pickwell_here("explain", "picked", "p59")
    assert again.returncode == 0 and "p59: chosen" in again.stdout
    assert "scored again after" in again.stderr and "metric" not in again.stdout
    shutil.rmtree(run)
    with pytest.raises(BadInputError, match="is not there"):
        run_of(selected)
    assert "is not there" in pickwell_here("explain", "picked", "p59").stderr
    (selected / "manifest.json").unlink()
    lost = pickwell_here("explain", "picked", "p59")
    assert lost.returncode == 0 and "manifest.json" in lost.stderr and "p59" in lost.stdout


def test_a_selection_that_was_added_to(selected, llava, pickwell_here):
    """Both runs call their rows alike; each is shown with its own values."""
    folder = selected.parent
    old = [json.loads(line) for line in llava.read_text().splitlines()]
    for number, row in enumerate(old):
        row["conversations"][1]["value"] = "Quite another " + "long " * number + "text."
    new = llava.with_name("new.jsonl")
    new.write_text("\n".join(map(json.dumps, old)) + "\n")
    csv = "id,mine\n" + "".join(f"p{n},{100 + n}\n" for n in range(60))
    (folder / "new.csv").write_text(csv)
    words = ("--models", "none", "--metrics", "length", "--import", "new.csv")
    assert pickwell_here("score", new, "--out", "new", *words).returncode == 0
    added = pickwell_here("select", "new", "--add-to", "picked", "-o", "both", "-b", 4)
    assert added.returncode == 0, added.stderr
    both = open_selection(folder / "both")
    assert len(both.ids) == 14
    run = run_of(folder / "both")
    values = {}
    for id_ in both.ids:
        found = {standing.name: standing for standing in standings(run, both, id_)}
        values[id_] = found["mine"].value
    assert [values[id_] for id_ in both.ids[:10]] == list(range(59, 49, -1))
    assert all(value >= 100 for value in list(values.values())[10:])
    assert "mine" in pickwell_here("explain", "both", both.ids[-1]).stdout
