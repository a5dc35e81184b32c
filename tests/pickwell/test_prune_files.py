"""What a pruned corpus says of itself beside its pictures."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from data_cards import BadInputError
from pickwell.commands.prune import prune as command
from pickwell.config import PruneConfig
from pickwell.prune_files import prune_command
from selector.prune.corpus import PruneOptions, prune


@pytest.fixture(scope="module")
def flags():
    """Every option of ``pickwell prune``."""
    app = typer.Typer()
    app.command()(command)
    params = typer.main.get_command(app).params
    return {flag for param in params for flag in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("options", [{"supervised": True}, {"balance_by": "labels"}])
def test_what_is_advised_can_be_typed(flags, options):
    ids = np.array(["a", "b"], object)
    with pytest.raises(BadInputError, match="no classes") as caught:
        prune(np.eye(2), ids, PruneOptions(**options))
    named = re.findall(r"--[a-z-]+", caught.value.remedy)
    assert "--columns" in named and set(named) <= flags


OTHERS = {
    "keep": 0.5, "count": 3, "by": "herding", "per_class": 2, "encoder": "timm:x", "group": "(.)",
    "allow_pickle": ["a"], "trust_remote_code": ["b"], "prototypes": 4, "balance": 0.1,
    "balance_by": "none", "random_share": 0.2, "duplicates": 0.9, "duplicates_share": 0.1,
    "duplicates_first": "easy", "probe": "knn", "probe_seeds": 3, "format": "csv", "split": "s",
    "images": "pictures", "columns": {"label": "kind"}, "subset": "t", "cache": "kept", "limit": 9,
    "shard_rows": 7, "workers": 2, "max_pixels": 100, "thumbnail": 64, "seed": 5, "engine": "ray",
    "address": "auto", "worker_cpus": 2, "worker_gpus": 1, "max_workers": 3, "strategy": "hard",
    "robust": True,
}  # fmt: skip


def test_the_same_again_can_be_typed(flags):
    default = PruneConfig()
    turned = {name: not value for name, value in default if isinstance(value, bool)}
    settings = PruneConfig(**OTHERS, **turned)
    assert not [name for name, value in default if value == getattr(settings, name)]
    line = prune_command("corpus", Path("out"), settings, "hard")
    command, _, rest = line.partition("  # ")
    named = {word for word in shlex.split(command) if word.startswith("--")}
    assert named <= flags and len(named) == len(PruneConfig.model_fields) - 2 + 1  # and --out
    assert rest == '--config FILE with prune: {"shard_rows": 7, "thumbnail": 64}'
    assert prune_command("corpus", Path("out"), default, "hard").endswith("--strategy hard")
