"""Image encoders from a hub on loopback: pinned, by repository and by timm's tag, or refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from scoring.encoders.probe import probe_pictures
from scoring.encoders.timm_images import TimmImages
from scoring.encoders.transformers_images import TransformersImages
from tests.scoring.test_timm_images import saved, vectors
from tests.scoring.test_transformers_images import OWN, save

pytest.importorskip("timm")
pytest.importorskip("transformers")

TAG = "test_vit.r160_in1k"
TRY = """
import json, sys
import torch
from data_cards.errors import BadInputError
from scoring.encoders.probe import probe_pictures
from scoring.encoders.registry import image_encoder_from_spec
for spec in sys.argv[2:]:
    try:
        made = image_encoder_from_spec(spec, allow_pickle=sys.argv[1].split(","))
        key, dim = made.key, made.dim
        pixels = torch.stack([made.preprocess(one) for one in probe_pictures(2)])
        said = {"name": made.name, "key": key, "dim": dim}
        said["vectors"] = made.encode_images(pixels).tolist()
    except BadInputError as error:
        said = {"error": str(error)}
    print(json.dumps(said))
"""


def tried(hub, home, *specs, allow=""):
    command = [sys.executable, "-c", TRY, allow, *specs]
    env = os.environ | hub.environment(home)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.timeout(600)
def test_hub_encoders_are_pinned_and_pickles_and_code_refused(hub, tmp_path):
    vit = saved("test_vit", tmp_path / "vit", classes=1000)
    pickled = saved("test_vit", tmp_path / "pickled", safe=False)
    dino = save("Dinov2", tmp_path / "dino")
    vit_commit = hub.put("models", "owner/vit", vit)
    weights = {"model.safetensors": (vit / "model.safetensors").read_bytes()}
    tag_commit = hub.put("models", f"timm/{TAG}", weights)
    dino_commit = hub.put("models", "owner/dino", dino)
    hub.put("models", "owner/pickled", pickled)
    hub.put("models", "owner/allowed", pickled)
    code = {path.name: path.read_bytes() for path in dino.iterdir()}
    named = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    about = json.loads(code["config.json"]) | {"model_type": "own-vit", "auto_map": named}
    hub.put("models", "owner/code", code | {"config.json": json.dumps(about), "own.py": OWN})
    by_repo, by_tag, by_transformers, allowed, *refused = tried(
        hub,
        tmp_path / "home",
        "timm:hf-hub:owner/vit",
        f"timm:{TAG}",
        "hf-image:owner/dino",
        "timm:hf-hub:owner/allowed",
        "timm:hf-hub:owner/pickled",
        "hf-image:owner/code",
        "timm:hf-hub:owner/nothing",
        "hf-image:owner/dino@v9",
        allow="owner/allowed",
    )
    assert by_repo["name"] == f"timm:hf-hub:owner/vit@{vit_commit}"
    assert by_tag["name"] == f"timm:{TAG}@{tag_commit}"
    assert by_transformers["name"] == f"hf-image:owner/dino@{dino_commit}"
    pictures = probe_pictures(2)
    for found, local in (
        (by_repo, TimmImages(f"timm:{vit}")),
        (by_tag, TimmImages(f"timm:{TAG}@{vit}/model.safetensors")),
        (by_transformers, TransformersImages(f"hf-image:{dino}")),
    ):
        assert found["dim"] == local.dim
        wanted = vectors(local, pictures)
        np.testing.assert_allclose(np.array(found["vectors"]), wanted, atol=2e-3)
    assert allowed["dim"] == 64
    words = ["--allow-pickle owner/pickled", "--trust-remote-code owner/code"]
    words += ["there is no model owner/nothing on the hub", "has no revision 'v9'"]
    for word, one in zip(words, refused, strict=True):
        assert word in one["error"]
    assert not hub.asked(r"owner/pickled/resolve/.*\.bin") and not hub.asked(r"own\.py")
