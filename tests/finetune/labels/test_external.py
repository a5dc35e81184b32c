"""Outcomes by a command of one's own: what it may write or print, and what goes wrong."""

import json
import sys
from dataclasses import replace

import pytest

from data_cards import BadInputError
from finetune.labels.external import ExternalBench, read_outcome
from finetune.labels.outcomes import Ledger, Task
from finetune.options import FinetuneOptions


def results(tmp_path, **tasks):
    folder = tmp_path / "model__name"
    folder.mkdir(exist_ok=True)
    (folder / "20260101_000000_results.json").write_text(json.dumps({"results": tasks}))
    return tmp_path


def test_results_as_lmms_eval_writes_them(tmp_path):
    out = results(
        tmp_path,
        gqa={"alias": "gqa", "exact_match,none": 0.5, "exact_match_stderr,none": 0.01},
        ok_vqa={"exact_match,none": 0.2, "other,none": 0.4, "samples": 100, "submission,none": ""},
    )
    assert read_outcome(out, "") == pytest.approx((0.5 + 0.3) / 2)
    assert read_outcome(out, "", "exact_match") == pytest.approx(0.35)
    with pytest.raises(BadInputError, match="begins with 'absent'"):
        read_outcome(out, "", "absent")
    (out / "model__name" / "20260101_000000_results.json").write_text("{}")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_outcome(out, "")


def test_a_printed_number(tmp_path):
    assert read_outcome(tmp_path, "loading ...\naccuracy: 0.25\n") == 0.25
    for said in ("", "done\n", "nan\n"):
        with pytest.raises(BadInputError, match="no number"):
            read_outcome(tmp_path, said)


SCRIPT = """
import sys, pathlib
from transformers import AutoModelForImageTextToText
model = AutoModelForImageTextToText.from_pretrained(sys.argv[1])
print(float(sum(p.abs().sum() for p in model.model.multi_modal_projector.parameters())))
"""


@pytest.mark.slow
def test_every_model_is_trained_and_measured_once(vlm_folder, samples, tmp_path):
    script = tmp_path / "measure.py"
    script.write_text(SCRIPT)
    options = FinetuneOptions(
        model=str(vlm_folder("llava")), batch_size=4, learning_rate=1e-2, bf16=False
    )
    command = f"{sys.executable} {script} {{model}}"

    def bench(command=command, **changed):
        return ExternalBench(samples[:8], command, replace(options, **changed), tmp_path / "cache")

    first = bench()
    ids = tuple(sample.id for sample in samples[:8])
    tasks = [Task(ids[:4], 0, 2), Task(ids[4:], 0, 2)]
    ledger = Ledger(tmp_path / "outcomes", first.key)
    assert ledger.do(tasks, lambda: first) == 2
    found = ledger.read(tasks)
    assert (found.quality > 0).all() and found.quality[0] != found.quality[1]
    assert (found.passes == 8).all() and (found.errors(first.clusters) == 0).all()
    assert Ledger(tmp_path / "outcomes", bench().key).do(tasks, bench) == 0
    assert bench(command + " more").key != first.key
    assert bench(learning_rate=1e-3).key != first.key


def test_commands_that_cannot_measure(vlm_folder, samples, tmp_path):
    options = FinetuneOptions(model=str(vlm_folder("llava")), batch_size=2, bf16=False)

    def run(command):
        made = ExternalBench(samples[:4], command, options, tmp_path)
        return made.run([samples[0].id, samples[1].id], seed=0, steps=1)

    with pytest.raises(BadInputError, match="where the model goes"):
        run("lmms-eval --tasks gqa")
    with pytest.raises(BadInputError, match="no program 'surely-not-there'"):
        run("surely-not-there {model}")
    with pytest.raises(BadInputError, match=r"code 3: out of luck"):
        run(f"{sys.executable} -c 'import sys; print(\"out of luck\"); sys.exit(3)' {{model}}")
