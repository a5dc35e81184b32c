"""``pickwell finetune`` as a person types it, on a selection and on data, with a tiny model."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from data_cards import BadInputError
from pickwell.config import FinetuneConfig
from pickwell.training_source import training_samples, training_sources

ROOT = Path(__file__).parents[2]
SMALL = ("--train", "lora", "--steps", 4, "--batch-size", 4, "--learning-rate", 0.01, "--no-bf16")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A tiny random LLaVA folder."""
    place = ROOT / "tests" / "finetune" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tiny_families", place)
    families = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(families)
    folder = tmp_path_factory.mktemp("tiny") / "llava"
    processor = families.make_processor("llava")
    families.make_model("llava", processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


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


@pytest.mark.slow
def test_two_processes_train_as_one(llava, tiny, pickwell_here, tmp_path):
    """Launched by accelerate: each computes half of every batch, the first writes and speaks."""
    one = pickwell_here("finetune", llava, "--model", tiny, "--out", "one", *SMALL)
    assert one.returncode == 0, one.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    words += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    words += ["--dynamo_backend", "no", "--main_process_port", port, "-m", "pickwell"]
    words += ["finetune", llava, "--model", tiny, "--out", "two", *SMALL, "--cache-features"]
    words[words.index("--batch-size") + 1] = 2
    two = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PICKWELL_CACHE": str(tmp_path / "c")},
    )
    assert two.returncode == 0, two.stderr[-3000:]
    assert two.stdout.count("parameters trained") == 1
    records = [json.loads((tmp_path / n / "training.json").read_text()) for n in ("one", "two")]
    assert [record["options"]["processes"] for record in records] == [1, 2]
    assert records[1]["losses"] == pytest.approx(records[0]["losses"], abs=1e-3)
