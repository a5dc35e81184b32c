import csv
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from data_cards import BadInputError, ImageRef
from finetune.checkpoint import COMPLETE, WORK, last_complete
from finetune.options import FinetuneOptions
from finetune.result import RECORD, open_result
from finetune.train import finetune

FAMILIES = ("llava", "smolvlm", "qwen2_5_vl")


@pytest.fixture
def options(vlm_folder):
    def make(family="llava", **changed):
        base = {"steps": 5, "batch_size": 4, "learning_rate": 1e-2, "bf16": False}
        return FinetuneOptions(model=str(vlm_folder(family)), **(base | changed))

    return make


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(first, second):
    return first.keys() == second.keys() and all(first[k].equal(second[k]) for k in first)


def generate(model, processor, sample):
    """Five tokens, as anybody asks a model of transformers for them."""
    from finetune.data import chat, pictures

    text = processor.apply_chat_template(chat(sample)[:1], add_generation_prompt=True)
    inputs = processor(text=text, images=pictures(sample.images), return_tensors="pt")
    made = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    return made[0, inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("train", ["projector", "lora", "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_trained_and_what_comes_out(family, train, options, vlm_folder, samples, tmp_path):
    out = tmp_path / "out"
    result = finetune(samples, out, options(family, train=train, steps=8))
    assert len(result.losses) == result.steps == 8
    if train != "projector":  # a random language model hardly listens to its projector
        assert np.mean(result.losses[-3:]) < np.mean(result.losses[:2]) - 0.05
    model = AutoModelForImageTextToText.from_pretrained(out)
    processor = AutoProcessor.from_pretrained(out)
    assert processor.chat_template and type(model).__name__.lower().startswith(family[:5])
    answer = generate(model, processor, samples[0])
    assert 0 < len(answer) <= 5 and all(0 <= token < len(processor.tokenizer) for token in answer)
    before, after = weights(vlm_folder(family)), weights(out)
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    projector = {n for n in before if any(p in n for p in ("projector", "connector", "merger"))}
    vision = {n for n in before if "vision" in n or "visual" in n} | projector
    if train == "projector":
        assert changed and changed <= projector
    elif train == "lora":
        assert (out / "adapter" / "adapter_model.safetensors").is_file()
        linear = {n for n in before if n.endswith("_proj.weight")} - vision
        assert changed == linear
    else:  # LLaVA does not use the last layer of its tower
        assert changed & vision and changed & projector and changed - vision
        assert len(changed) > 0.6 * len(before)


def test_merged_adapters_compute_what_was_trained(options, vlm_folder, samples, tmp_path):
    from peft import PeftModel

    out = tmp_path / "out"
    finetune(samples, out, options(train="lora"))
    merged = AutoModelForImageTextToText.from_pretrained(out).eval()
    base = AutoModelForImageTextToText.from_pretrained(vlm_folder("llava"))
    apart = PeftModel.from_pretrained(base, out / "adapter").eval()
    tokens = {"input_ids": torch.arange(20, 60)[None]}
    with torch.no_grad():
        torch.testing.assert_close(
            merged(**tokens).logits, apart(**tokens).logits, atol=1e-4, rtol=1e-4
        )


def test_the_same_seed_gives_the_same_weights(options, samples, tmp_path):
    """Whatever the order of the rows; and nobody's random state is touched."""
    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist()
    chosen = options(train="lora", lora_dropout=0.1)
    first = finetune(samples, tmp_path / "a", chosen)
    assert states[0] == random.getstate() and states[1].equal(torch.get_rng_state())
    assert states[2] == np.random.get_state()[1].tolist()
    torch.manual_seed(99)
    second = finetune(samples[::-1], tmp_path / "b", chosen)
    assert first.losses == second.losses and first.data_hash == second.data_hash
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    other = finetune(samples, tmp_path / "c", replace(chosen, seed=1))
    assert other.losses != first.losses


@pytest.mark.parametrize(
    ("family", "train"),
    [("llava", "projector"), ("llava", "all"), ("smolvlm", "projector"), ("qwen2_5_vl", "lora")],
)
def test_accumulation_equals_the_bigger_batch(family, train, options, samples, tmp_path):
    """Also where the model's class says that it does not count tokens over passes (Qwen-VL)."""
    whole = finetune(samples, tmp_path / "whole", options(family, train=train))
    for size in (2, 1):
        parts = finetune(
            samples,
            tmp_path / f"parts{size}",
            options(family, train=train, batch_size=size, gradient_accumulation=4 // size),
        )
        assert parts.losses == pytest.approx(whole.losses, abs=2e-4)
        after = weights(tmp_path / f"parts{size}")
        for name, value in weights(tmp_path / "whole").items():
            torch.testing.assert_close(after[name], value, atol=2e-3, rtol=1e-2)


def test_the_loss_is_that_of_the_responses(options, vlm_folder, samples, tmp_path):
    """The first step's loss against one computed by hand, and against TRL's own head."""
    from finetune.collate import Collator, from_pixels
    from finetune.data import prepare
    from finetune.order import EpochOrder

    chosen = options(steps=1)
    result = finetune(samples, tmp_path / "out", chosen)
    model = AutoModelForImageTextToText.from_pretrained(vlm_folder("llava")).eval()
    processor = AutoProcessor.from_pretrained(vlm_folder("llava"))
    rows, _ = prepare(samples, processor)
    order = EpochOrder([r.id for r in rows], [len(r.input_ids) for r in rows], 4, chosen.seed)
    first = list(order)[:4]
    batch = Collator(rows, processor.tokenizer.pad_token_id, from_pixels(processor)).collate(
        [rows[n] for n in first]
    )
    labels = batch.pop("labels")
    with torch.no_grad():
        logits = model(**batch).logits
    total, count = 0.0, 0
    for line in range(4):
        for place in range(1, labels.shape[1]):
            if labels[line, place] != -100:
                chances = logits[line, place - 1].log_softmax(-1)
                total -= float(chances[labels[line, place]])
                count += 1
    assert count == sum(rows[n].responses for n in first)
    assert result.losses[0] == pytest.approx(total / count, abs=1e-4)


def test_our_loss_and_trls_agree(options, samples, tmp_path, monkeypatch):
    """On a GPU TRL's fused head computes the loss; here it is made to on the CPU."""
    from trl import SFTTrainer

    from finetune.trainer import VlmTrainer

    ours = finetune(samples, tmp_path / "ours", options(gradient_accumulation=2, batch_size=2))
    own = VlmTrainer.compute_loss

    def theirs(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        own(self, model, dict(inputs), False, num_items_in_batch)  # sets the modes as ours does
        return SFTTrainer.compute_loss(self, model, inputs, False, num_items_in_batch)

    monkeypatch.setattr(VlmTrainer, "compute_loss", theirs)
    trls = finetune(samples, tmp_path / "trl", options(gradient_accumulation=2, batch_size=2))
    assert trls.losses == pytest.approx(ours.losses, abs=1e-4)


def test_left_out_samples_are_named_in_the_folder(options, samples, make_sample, tmp_path):
    rows = [*samples[:6], make_sample(50, images=0), make_sample(51, ("user", "of"))]
    result = finetune(rows, tmp_path / "out", options(steps=1))
    assert result.left_out == (("s50", "no image"), ("s51", "response is empty"))
    assert result.samples == 6
    with (tmp_path / "out" / "left_out.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["s50", "no image"], ["s51", "response is empty"]]
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["left_out"] == [list(row) for row in result.left_out]
    assert {"options", "data_hash", "versions", "losses", "seconds"} <= record.keys()
    assert "left out: 2" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(BadInputError, match="None of the 1 samples"):
        finetune(rows[6:7], tmp_path / "none", options())
    assert not (tmp_path / "none").exists()


def test_epochs_and_text_only(options, samples, make_sample, tmp_path):
    rows = [*samples[:9], make_sample(50, images=0)]
    chosen = options(train="lora", steps=None, epochs=2.0, text_only=True)
    result = finetune(rows, tmp_path / "out", chosen)
    assert result.samples == 10 and result.steps == 6
    blind = replace(chosen, cache_features=True, cache=tmp_path / "cache")
    assert finetune(rows[9:], tmp_path / "blind", blind).samples == 1


@pytest.mark.parametrize("train", ["projector", "lora", "all"])
def test_gradient_checkpointing_computes_twice_and_the_same(
    train, options, samples, tmp_path, monkeypatch
):
    from transformers.models.llama.modeling_llama import LlamaMLP

    passes, real = [], LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda *given: passes.append(1) or real(*given))
    once = finetune(samples, tmp_path / "once", options(train=train, steps=2))
    before = len(passes)
    chosen = options(train=train, steps=2, gradient_checkpointing=True)
    twice = finetune(samples, tmp_path / "twice", chosen)
    # Before its first trained part nothing needs a gradient, and nothing is computed again.
    assert len(passes) - before == 2 * before
    assert twice.losses == pytest.approx(once.losses, abs=1e-5)


def test_the_launcher_does_not_decide_the_precision(options, samples, tmp_path, monkeypatch):
    chosen = options(steps=2)
    plain = finetune(samples, tmp_path / "plain", chosen)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert finetune(samples, tmp_path / "told", chosen).losses == plain.losses
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(BadInputError, match="FSDP cannot be trained"):
        finetune(samples, tmp_path / "sharded", chosen)


def test_one_process_uses_one_gpu(options, samples, tmp_path, monkeypatch):
    """Left alone, the trainer would spread the model over all GPUs that it sees."""
    from trl import SFTConfig

    from finetune import train

    def four(config, checked=SFTConfig.__post_init__):
        checked(config)
        config._n_gpu = 4

    monkeypatch.setattr(SFTConfig, "__post_init__", four)
    made, real = [], train.training_arguments
    monkeypatch.setattr(train, "training_arguments", lambda *a: made.append(real(*a)) or made[-1])
    finetune(samples, tmp_path / "out", options(steps=1))
    assert made[0].n_gpu == 1


def test_bfloat16_trains_and_keeps_the_rest(options, vlm_folder, samples, tmp_path):
    result = finetune(samples, tmp_path / "out", options(train="lora", bf16=True, steps=8))
    assert np.mean(result.losses[-3:]) < np.mean(result.losses[:2]) - 0.05
    before, after = weights(vlm_folder("llava")), weights(tmp_path / "out")
    for name in before:
        assert after[name].dtype == before[name].dtype == torch.float32
        if "vision_tower" in name:
            assert after[name].equal(before[name])


def test_done_once_and_never_written_over(options, samples, tmp_path):
    out = tmp_path / "out"
    first = finetune(samples, out, options(steps=2))
    stamp = (out / "model.safetensors").stat().st_mtime_ns
    again = finetune(samples, out, options(steps=2, save_every=1))
    assert again.again and not first.again
    assert (again.losses, again.left_out) == (first.losses, first.left_out)
    assert (out / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(BadInputError, match=r"trained otherwise .different: seed"):
        finetune(samples, out, options(steps=2, seed=4))
    with pytest.raises(BadInputError, match="different: data"):
        finetune(samples[:9], out, options(steps=2))
    anew = finetune(samples, out, options(steps=2, seed=4, resume=False))
    assert anew.losses != first.losses and open_result(out)[0].losses == anew.losses
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    for folder, word in ((foreign, "holds no training"), (foreign / "thesis.txt", "is a file")):
        with pytest.raises(BadInputError, match=word):
            finetune(samples, folder, options(resume=False))
    for holder in (out, tmp_path):
        with pytest.raises(BadInputError, match="holds the model that is to be trained"):
            (tmp_path / RECORD).write_bytes((out / RECORD).read_bytes())
            finetune(samples, holder, replace(options(), model=str(out), resume=False))
    assert (out / "model.safetensors").is_file()
    (foreign / RECORD).write_text('{"format": "of another tool"}')
    with pytest.raises(BadInputError, match="not the record of a training"):
        finetune(samples, foreign, options(resume=False))
    assert (foreign / "thesis.txt").read_text() == "mine"


def test_a_diverged_training_stops_with_a_message(options, vlm_folder, samples, tmp_path):
    model = AutoModelForImageTextToText.from_pretrained(vlm_folder("llava"))
    with torch.no_grad():
        model.model.multi_modal_projector.linear_1.weight[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "broken")
    AutoProcessor.from_pretrained(vlm_folder("llava")).save_pretrained(tmp_path / "broken")
    chosen = replace(options(), model=str(tmp_path / "broken"))
    with pytest.raises(BadInputError, match="loss of step 1 is nan"):
        finetune(samples, tmp_path / "out", chosen)
    assert not (tmp_path / "out" / RECORD).exists()


KILLED = """
import sys, pickle, time
from pathlib import Path
from finetune.train import finetune

samples, options, out = pickle.loads(Path(sys.argv[1]).read_bytes())

def said(*words):
    print(*words, flush=True)
    if words[0] == "write":
        time.sleep(60)


finetune(samples, out, options, on_progress=said)
"""


def run_killed(tmp_path, samples, options, out, stop):
    """Train in another process; ``stop(line)`` says when to kill it."""
    import pickle

    (tmp_path / "job").write_bytes(pickle.dumps((samples, options, out)))
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLED), str(tmp_path / "job")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    try:
        for line in process.stdout:
            if stop(line):
                break
    finally:  # also where the test is ended from outside
        process.send_signal(signal.SIGKILL)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == -signal.SIGKILL, errors


def test_nothing_trained_yet_is_begun_anew(options, samples, tmp_path):
    """The remedy that a refusal names works when it is typed next."""
    refused = options("qwen2_5_vl", steps=1, cache_features=True, cache=tmp_path / "cache")
    with pytest.raises(BadInputError) as error:
        finetune(samples, tmp_path / "out", refused)
    assert error.value.remedy == "Leave out --cache-features."
    assert finetune(samples, tmp_path / "out", replace(refused, cache_features=False)).steps == 1


def test_an_image_that_vanishes_is_named_by_workers_too(options, samples, tmp_path):
    path = tmp_path / "gone.png"
    path.write_bytes(samples[0].images[0].data)
    rows = [replace(samples[0], images=(ImageRef("gone.png", path=path),)), *samples[1:4]]

    def vanish(stage, done, total):
        if stage == "prepare" and done == len(rows):
            path.unlink()

    with pytest.raises(BadInputError) as error:
        finetune(rows, tmp_path / "out", options(workers=1), on_progress=vanish)
    assert error.value.message.startswith("An image of s0 was readable and is no longer")
    assert error.value.remedy.startswith("Put it back")


def test_killed_while_the_model_is_written(options, samples, tmp_path):
    """All steps are done: nothing is trained again, not even one step of the last epoch."""
    chosen = options(steps=7)
    whole = finetune(samples, tmp_path / "whole", chosen)
    out = tmp_path / "out"
    run_killed(tmp_path, samples, chosen, out, lambda line: line.startswith("write "))
    assert last_complete(out / WORK)[1]["step"] == 7 and not (out / RECORD).exists()
    resumed = finetune(samples, out, chosen)
    assert (resumed.steps, resumed.losses) == (7, whole.losses)
    assert same(weights(out), weights(tmp_path / "whole"))
    assert open_result(out)[0].losses == whole.losses


def test_killed_and_resumed_is_as_never_killed(options, samples, tmp_path):
    chosen = options(train="lora", lora_dropout=0.1, steps=14, save_every=3, batch_size=6)
    whole = finetune(samples, tmp_path / "whole", chosen)
    out = tmp_path / "out"
    run_killed(tmp_path, samples, chosen, out, lambda line: line.startswith("train 8 "))
    folder, facts = last_complete(out / WORK)
    assert facts["step"] in (6, 3) and not (out / RECORD).exists()
    (out / WORK / "checkpoint-12").mkdir()  # as if killed while it was written
    with pytest.raises(BadInputError, match=r"interrupted training with other options.*seed"):
        finetune(samples, out, replace(chosen, seed=3))
    begun = []
    resumed = finetune(
        samples, out, chosen, on_progress=lambda stage, done, _: begun.append((stage, done))
    )
    steps = [done for stage, done in begun if stage == "train"]
    assert steps[0] == facts["step"] + 1 and steps[-1] == 14
    assert resumed.losses == whole.losses
    assert same(weights(out), weights(tmp_path / "whole"))
    assert not (out / WORK).exists() and not folder.exists()
    assert resumed.seconds > facts["seconds"] > 0


def test_only_whole_checkpoints_count(tmp_path):
    for step in (3, 6, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if step != 9:
            (tmp_path / f"checkpoint-{step}" / COMPLETE).write_text(json.dumps({"step": step}))
    assert last_complete(tmp_path)[1] == {"step": 6}
    assert not (tmp_path / "checkpoint-9").exists()
    assert last_complete(tmp_path / "nothing") is None
