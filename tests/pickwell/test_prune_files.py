"""What a pruned corpus says of itself beside its pictures."""

import re

import numpy as np
import pytest
import typer

from data_cards import BadInputError
from pickwell.commands.prune import prune as command
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
