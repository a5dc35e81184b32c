"""``pickwell finetune`` as a person types it, on a selection and on data, with a tiny model."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data_cards import BadInputError
from pickwell.config import FinetuneConfig
from pickwell.training_source import training_samples, training_sources

ROOT = Path(__file__).parents[2]
SMALL = ("--train", "lora", "--steps", 4, "--batch-size", 4, "--learning-rate", 0.01, "--no-bf16")


@pytest.fixture
def picked(llava, pickwell_here, tmp_path):
    """A selection of 12 rows, whose images stay where they were."""
    pickwell_here("score", llava, "--out", "run", "--metrics", "length,image_quality")
    done = pickwell_here(
        "select", "run", "--out", "picked", "-b", 12, "--by", "words", "--method", "top"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "picked"


def test_a_selection_is_read_with_its_images(picked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = training_sources(picked, FinetuneConfig())
    samples = list(training_samples(sources, None))
    assert len(samples) == 12
    assert all(ref.path.is_file() for sample in samples for ref in sample.images)
    assert len(list(training_samples(sources, 5))) == 5
    (picked / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(BadInputError, match="is gone"):
        training_sources(picked, FinetuneConfig())


def test_an_extended_selection_has_the_records_of_both_runs(
    picked, llava, pickwell_here, monkeypatch, tmp_path
):
    """The second batch lies elsewhere, and calls its rows and images as the first does."""
    later = tmp_path / "later"
    shutil.copytree(llava.parent, later)
    (later / llava.name).write_text(llava.read_text().replace("beside", "far away from"))
    words = ("--metrics", "length,image_quality")
    assert pickwell_here("score", later / llava.name, "--out", "new", *words).returncode == 0
    added = pickwell_here("select", "new", "--add-to", "picked", "-o", "both", "-b", 4)
    assert added.returncode == 0, added.stderr
    samples = list(training_samples(training_sources("both", FinetuneConfig()), None))
    assert len({sample.id for sample in samples}) == len(samples) == 16
    homes = [ref.path.parents[1].name for sample in samples for ref in sample.images]
    assert homes == ["data"] * 12 + ["later"] * 4
    assert ["far away" in sample.response for sample in samples] == [False] * 12 + [True] * 4


def test_ids_of_several_sources_stay_apart(llava):
    source = training_sources(llava, FinetuneConfig())[0]
    names = [sample.id for sample in training_samples([source, source], None)]
    assert len(names) == len(set(names)) == 120


def test_from_selection_to_model(picked, tiny, pickwell_here, tmp_path):
    words = ("finetune", picked, "--model", tiny, "--out", "tuned", *SMALL, "--cache-features")
    done = pickwell_here(*words)
    assert done.returncode == 0, done.stderr
    assert "trained on 12 samples in 4 steps" in done.stdout
    record = json.loads((tmp_path / "tuned" / "training.json").read_text())
    assert len(record["losses"]) == 4 and record["feature_seconds"] > 0
    again = pickwell_here(*words)
    assert again.returncode == 0 and "finished already" in again.stdout
    other = pickwell_here(*words, "--seed", 3)
    assert other.returncode == 2 and "different: seed" in other.stderr


def test_left_out_rows_are_printed(llava, tiny, pickwell_here, tmp_path):
    first = json.loads(llava.read_text().splitlines()[0])
    (llava.parent / "images" / Path(first["image"]).name).write_bytes(b"broken")
    done = pickwell_here(
        "finetune", llava, "--model", tiny, "--out", "tuned", *SMALL, "--strict", "--limit", 10
    )
    assert done.returncode == 1, done.stderr
    assert "1 samples were left out" in done.stdout and f"{first['id']}: " in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.json"], "absent.json"),
        (["DATA", "--train", "head"], "train"),
        (["DATA", "--steps", 2, "--epochs", 1], "Both steps and epochs"),
        (["DATA", "--model", "nothing-here"], "neither a folder nor the id"),
        (["DATA", "--max-length", 3], "too long"),
        (["DATA", "--out", "DATA"], "is a file"),
    ],
)
def test_bad_input_is_said_plainly(words, message, llava, tiny, pickwell_here, tmp_path):
    typed = [str(llava) if word == "DATA" else word for word in words]
    given = [] if "--model" in words else ["--model", tiny]
    out = [] if "--out" in words else ["--out", "tuned"]
    result = pickwell_here("finetune", *typed, *given, *out)
    assert result.returncode == 2, result.stdout + result.stderr
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "tuned").exists()


def test_data_in_the_output_folder_are_safe(llava, tiny, pickwell_here):
    words = ("finetune", llava, "--model", tiny, "--out", llava.parent, *SMALL, "--no-resume")
    (llava.parent / "training.json").write_text("{}")
    done = pickwell_here(*words)
    assert done.returncode == 2 and "holds the data to train on" in done.stderr
    assert llava.is_file()


def test_a_card_names_only_models_of_the_hub():
    from finetune.saving import _on_hub

    assert _on_hub("owner/name") and not _on_hub("embedded")
    assert not _on_hub("/models/mine") and not _on_hub("../model")


def launched(tmp_path, *words):
    """The command in two processes, as `accelerate launch` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launch += ["--dynamo_backend", "no", "--main_process_port", port, "-m", "pickwell"]
    return subprocess.Popen(
        [str(word) for word in (*launch, *words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PICKWELL_CACHE": str(tmp_path / "c")},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "more"), [("lora", ["--cache-features"]), ("all", ["--gradient-checkpointing"])]
)
def test_two_processes_train_as_one(train, more, llava, tiny, pickwell_here, tmp_path):
    """Each computes half of every batch, the first writes and speaks.

    Ten rows in batches of four: the last batch of an epoch is half empty, and nobody fills it with
    samples that were seen already.
    """
    words = ["finetune", llava, "--model", tiny, "--limit", 10, "--train", train, "--no-bf16"]
    words += ["--epochs", 2, "--learning-rate", 0.001]
    one = pickwell_here(*words, "--batch-size", 4, "--out", "one")
    assert one.returncode == 0, one.stderr
    two = launched(tmp_path, *words, "--batch-size", 2, "--out", "two", *more)
    said, errors = two.communicate()
    assert two.returncode == 0, errors[-3000:]
    assert said.count("parameters trained") == 1
    records = [json.loads((tmp_path / n / "training.json").read_text()) for n in ("one", "two")]
    assert [record["options"]["processes"] for record in records] == [1, 2]
    assert records[1]["losses"] == pytest.approx(records[0]["losses"], abs=1e-3)
    assert records[1]["steps"] == 6
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-3, rtol=1e-2)


@pytest.mark.slow
def test_two_processes_killed_and_resumed(llava, tiny, tmp_path):
    words = ["finetune", llava, "--model", tiny, "--limit", 10, "--train", "lora", "--no-bf16"]
    words += ["--steps", 100, "--batch-size", 2, "--save-every", 4, "--lora-dropout", 0.1]
    whole = launched(tmp_path, *words, "--out", "whole")
    assert whole.communicate() and whole.returncode == 0
    killed = launched(tmp_path, *words, "--out", "out")
    try:
        while not list((tmp_path / "out").glob(".training/checkpoint-*/complete.json")):
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.05)
    finally:
        workers = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
        for process in (killed.pid, *map(int, workers)):  # each worker has a session of its own
            os.kill(process, signal.SIGKILL)
        killed.communicate()
    assert len(workers) >= 2
    assert not (tmp_path / "out" / "training.json").exists()
    resumed = launched(tmp_path, *words, "--out", "out")
    assert resumed.communicate() and resumed.returncode == 0
    records = [json.loads((tmp_path / n / "training.json").read_text()) for n in ("whole", "out")]
    assert records[1]["losses"] == pytest.approx(records[0]["losses"], abs=1e-6)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "out")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-6, rtol=1e-6)
