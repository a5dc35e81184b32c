"""``pickwell evaluate`` from data and model folder to figures, rows and page."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import pickwell as api
from data_cards.errors import BadInputError
from pickwell.evaluate_remarks import remarks
from pickwell.report.evaluation import write_page

TINY = Path(__file__).parents[1] / "finetune" / "conftest.py"
NAMES = ("evaluation.json", "evaluation.html", "per_sample.parquet")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a tiny random LLaVA, and a second one with other weights."""
    import torch

    spec = importlib.util.spec_from_file_location("tiny_vlms", TINY)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    root = tmp_path_factory.mktemp("models")
    processor = made.make_processor("llava")
    for name, scale in (("before", 2.0), ("after", 3.0)):
        model = made.make_model("llava", processor)
        with torch.no_grad():
            for weight in model.parameters():
                weight *= scale
        model.save_pretrained(root / name)
        processor.save_pretrained(root / name)
    return root


def run(tiny, data, out, **options):
    options = {
        "cache": out.parent / "store" if out else None,
        "draws": 200,
        "max_new_tokens": 6,
        "device": "cpu",
        "short_words": 8,
        **options,
    }
    return api.evaluate(tiny / "after", data, out, **options)


def test_everything_is_written_and_agrees(tiny, llava, tmp_path):
    stages = []
    result = run(
        tiny, llava, tmp_path / "out", limit=12, baseline=str(tiny / "before"), generations=3,
        on_progress=lambda stage, done, total: stages.append((stage, done, total)),
    )  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*NAMES, "baseline.parquet"]
    )
    stored = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert stored["figures"]["nll"]["value"] == result.figures["nll"].value
    assert stored["samples"] == 12
    assert stored["data"]["files"][0]["sha256"]
    assert stored["models"]["model"]["key"] != stored["models"]["baseline"]["key"]
    assert stored["seed"] == 0 and stored["versions"]["torch"]
    assert "--baseline" in stored["command"] and "--limit 12" in stored["command"]
    rows = pq.read_table(tmp_path / "out" / "per_sample.parquet")
    assert rows.num_rows == 12
    assert {"id", "nll", "tokens", "generated", "exact", "status", "error"} <= set(
        rows.schema.names
    )
    gap = result.differences["nll"]
    assert gap.value == pytest.approx(result.figures["nll"].value - result.baseline["nll"].value)
    assert gap.low <= gap.value <= gap.high
    assert ("evaluate", 12, 12) in stages
    assert ("evaluate the baseline", 12, 12) in stages
    for figure in result.figures.values():
        if figure.low is not None:
            assert figure.low <= figure.value <= figure.high


def test_the_same_model_beside_itself_is_no_different(tiny, llava, tmp_path):
    result = run(tiny, llava, None, limit=6, baseline=str(tiny / "after"), cache=tmp_path / "c")
    assert result.differences["nll"].value == 0
    assert {gap.verdict for gap in result.differences.values()} <= {
        "no difference shown",
        "not known",
    }
    assert result.manifest["models"]["baseline"]["computed"]["replies"] == 0  # all from the store
    assert result.folder is None


def test_a_baseline_that_is_not_there_is_named_before_anything_is_computed(tiny, llava, tmp_path):
    stages = set()
    with pytest.raises(BadInputError, match="is neither a folder nor the id of a model"):
        run(
            tiny, llava, None, limit=4, baseline=str(tmp_path / "nowhere"), cache=tmp_path / "c",
            on_progress=lambda stage, done, total: stages.add(stage),
        )  # fmt: skip
    assert "evaluate" not in stages
    assert not (tmp_path / "c").exists()


def test_no_difference_shown_is_said_in_these_words(tiny, llava, tmp_path, capsys):
    from pickwell.evaluation_summary import print_evaluation

    result = run(tiny, llava, tmp_path / "out", limit=8, baseline=str(tiny / "after"))
    print_evaluation(result)
    said = " ".join(capsys.readouterr().out.split())
    nll, low, high = (
        f"{getattr(result.figures['nll'], name):.3f}" for name in ("value", "low", "high")
    )
    assert (
        f"Held-out response NLL, nats per token: {nll} ({low} to {high}); {tiny / 'after'} "
        f"{nll} ({low} to {high}); difference +0.000 (+0.000 to +0.000), no difference shown."
    ) in said
    assert "Right response preferred to a wrong one: " in said
    page = Tags((tmp_path / "out" / "evaluation.html").read_text()).text
    assert page.count("no difference shown") > 5
    assert "Held-out response NLL, nats per token: " in page


def test_remarks_say_what_does_not_compare():
    import pyarrow as pa

    from finetune.evaluate.rows import ROWS

    def rows(*lines):
        return pa.Table.from_pylist([dict(zip(("id", "status", "tokens", "error", "note"), line,
            strict=True)) for line in lines], schema=ROWS)  # fmt: skip

    one = rows(("a", "ok", 3, None, "several responses"), ("b", "ok", 4, None, None))
    two = rows(("a", "ok", 3, None, None), ("b", "bad", None, "too long", None))
    model = {"spec": "m", "dtype": "float32"}
    assert remarks(one.slice(1), None, model, None, {}) == []
    assert remarks(one.slice(0, 1), two.slice(0, 1), model, model, {"wrong_column": None}) == [
        "1 sample measured in part only: several responses."
    ]
    said = remarks(one, two, model, {"spec": "n", "dtype": "bfloat16"}, {"wrong_column": "bad"})
    assert "column 'bad'" in said[0]
    assert "float32 and bfloat16" in said[2] and "--dtype" in said[2]
    assert "n could not be measured on 1 sample (b: too long)" in said[3]
    longer = rows(("a", "ok", 5, None, None), ("b", "ok", 4, None, None))
    assert "different tokens" in remarks(one, longer, model, model, {})[1]


def test_twice_gives_the_same_figures_and_computes_once(tiny, llava, tmp_path):
    first = run(tiny, llava, tmp_path / "out", limit=8)
    second = run(tiny, llava, tmp_path / "out", limit=8)
    assert second.manifest["models"]["model"]["computed"] == {
        "replies": 0,
        "outputs": 0,
        "images": 0,
    }
    assert second.figures == first.figures
    third = run(tiny, llava, tmp_path / "out", limit=8, cache=tmp_path / "elsewhere")
    assert third.figures["nll"].value == pytest.approx(first.figures["nll"].value, abs=1e-6)


def test_wrong_responses_come_from_a_column_where_the_data_have_one(tiny, llava, tmp_path):
    records = [json.loads(line) for line in llava.read_text().splitlines()[:5]]
    for number, record in enumerate(records):
        record["rejected"] = f"A grey nothing {number}."
    llava.write_text("\n".join(map(json.dumps, records)))
    result = run(tiny, llava, None, generate=False, cache=tmp_path / "c")
    assert result.manifest["data"]["wrong_column"] == "rejected"
    assert result.per_sample["wrong"].to_pylist() == [r["rejected"] for r in records]
    drawn = run(tiny, llava, None, generate=False, wrong="none", cache=tmp_path / "c")
    assert not set(drawn.per_sample["wrong"].to_pylist()) & {r["rejected"] for r in records}
    with pytest.raises(BadInputError, match="has no column 'bad'"):
        run(tiny, llava, None, wrong="bad", cache=tmp_path / "c")


def test_samples_from_python(tiny, llava, tmp_path):
    from data_cards.source import open_source

    samples = list(open_source(llava).samples())[:4]
    result = run(tiny, samples, None, generate=False, cache=tmp_path / "c")
    assert result.per_sample["id"].to_pylist() == [s.id for s in samples]
    assert result.manifest["data"]["path"] is None
    with pytest.raises(BadInputError, match="no sample"):
        run(tiny, [], None, cache=tmp_path / "c")


def test_the_command_prints_figures_and_names_what_it_left_out(
    tiny, llava, tmp_path, pickwell_here
):
    lines = llava.read_text().splitlines()[:6]
    broken = json.loads(lines[0]) | {"id": "broken", "image": "images/gone.png"}
    llava.write_text("\n".join([*lines, json.dumps(broken)]))
    words = ("evaluate", tiny / "after", llava, "--no-generate", "--draws", 200)
    done = pickwell_here(*words, "--out", tmp_path / "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "6 of 7 samples evaluated" in done.stdout
    assert "Response NLL, by token" in done.stdout
    assert "95 % interval" in done.stdout
    assert "left out: broken: image missing: images/gone.png" in done.stdout
    assert "evaluation.html" in done.stdout
    assert pickwell_here(*words, "--strict").returncode == 1


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no model", "is neither a folder nor the id of a model"),
        ("empty folder", "Cannot open the model"),
        ("no data", "does not exist"),
        ("empty data", "holds no sample"),
        ("no responses", "None of the 1 samples can be evaluated"),
        ("foreign folder", "is not empty and holds no evaluation"),
        ("bad option", "blind"),
    ],
)
def test_bad_input_ends_with_two_and_a_message(case, said, tiny, llava, tmp_path, pickwell_here):
    model, data, more = tiny / "after", llava, ["--no-generate"]
    if case == "no model":
        model = tmp_path / "nowhere"
    elif case == "empty folder":
        model = tmp_path / "empty"
        model.mkdir()
    elif case == "no data":
        data = tmp_path / "nothing.json"
    elif case == "empty data":
        data = tmp_path / "empty.csv"
        data.write_text("id,image,question,answer\n")
    elif case == "no responses":
        data = tmp_path / "mute.json"
        turns = [{"from": "human", "value": "what?"}, {"from": "gpt", "value": " "}]
        data.write_text(json.dumps([{"id": "1", "image": "a.png", "conversations": turns}]))
    elif case == "foreign folder":
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("precious")
        more += ["--out", tmp_path / "mine"]
    else:
        more += ["--blind", "dark"]
    done = pickwell_here("evaluate", model, data, *more)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self._style = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_data(self, data):
        if not self._style:
            self.text += data


def test_the_page_shows_everything_and_loads_nothing(tiny, llava, tmp_path):
    result = run(
        tiny, llava, tmp_path / "out", limit=8, generations=4, baseline=str(tiny / "before")
    )
    text = (tmp_path / "out" / "evaluation.html").read_text()
    page = Tags(text)
    pictures = [tag for tag, _ in page.tags if tag == "img"]
    assert len(pictures) == 4
    for tag, attributes in page.tags:
        assert tag != "script"
        assert attributes.get("src", "data:").startswith("data:image/webp;base64,") or (
            "src" not in attributes
        )
        assert attributes.get("href", "#").startswith(("#", "data:"))
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"@import|url\(|https?://", text)
    assert "default-src 'none'" in text
    assert "Two-choice, per token, blind" in page.text
    shown = [r for r in result.per_sample.to_pylist() if r["generated"] is not None]
    assert any(row["reference"] in page.text for row in shown)


def test_a_payload_in_data_or_answers_stays_text(tiny, llava, tmp_path):
    payload = "</style><script>window.owned=1</script><img src=x onerror=1>{{ 7 * 7 }}\x00"
    records = [json.loads(line) for line in llava.read_text().splitlines()[:3]]
    for record in records:
        record["conversations"][0]["value"] = f"<image>\n{payload}"
    llava.write_text("\n".join(map(json.dumps, records)))
    result = run(tiny, llava, tmp_path / "out", generations=3)
    rows = result.per_sample.to_pylist()
    for row in rows:
        row["generated"] = payload
        row["source"] = row["id"] + payload
    poisoned = result.per_sample.from_pylist(rows, schema=result.per_sample.schema)
    harmless = Tags((tmp_path / "out" / "evaluation.html").read_text())
    object.__setattr__(result, "per_sample", poisoned)
    result.manifest["command"] = result.manifest["remarks"] = [payload]
    result.manifest["command"] = payload.replace(" ", "-")
    from data_cards.source import open_source

    samples = list(open_source(llava).samples())
    path = write_page(
        result,
        {s.id: s.images for s in samples},
        {s.id: s.turns for s in samples},
        tmp_path / "page.html",
    )
    text = path.read_text()
    page = Tags(text)
    kinds = {tag for tag, _ in page.tags}
    assert kinds <= {tag for tag, _ in harmless.tags} | {"p"}
    assert "script" not in kinds
    assert "\x00" not in text
    assert page.text.count("window.owned=1") >= 3
    assert "{{ 7 * 7 }}" in page.text


def test_importing_stays_light():
    import subprocess

    code = (
        "import sys, pickwell, pickwell.commands.evaluate, pickwell.config; "
        "assert not {'torch', 'transformers', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
