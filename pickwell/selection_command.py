"""The command lines that make a run and its selection again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.hub import pinned
from pickwell.config import ScoreConfig, SelectConfig

if TYPE_CHECKING:
    from scoring.run import Run


def score_command(run: Run) -> str:
    """The command line that makes the run again, as far as options were given."""
    options = run.manifest["options"]
    read = run.manifest["input"]
    path = pinned(str(read["path"]), read.get("revision"))
    words = ["pickwell", "score", path, "--out", str(run.folder)]
    if run.manifest.get("like"):
        words += ["--like", run.manifest["like"]]
        if options.get("chosen"):
            words += ["--chosen", options["chosen"]]
    else:
        words += ["--models", _models(run)]
        for name in ("allow_pickle", "trust_remote_code"):
            for model in options.get(name, ()):
                words += [f"--{name.replace('_', '-')}", model]
        asked = options.get("judge_options", {})
        if asked.get("rubric", "aspects") != "aspects":
            words += ["--rubric", asked["rubric"]]
        if not asked.get("images", True):
            words.append("--no-judge-images")
    if options["metrics"] and not run.manifest.get("like"):
        words += ["--metrics", ",".join(options["metrics"])]
    for name in ("format", "images", "card", "subset", "split", "instruction", "limit"):
        if options.get(name) is not None:
            words += [f"--{name}", str(options[name])]
    if options["columns"]:
        words += ["--columns", ",".join(f"{k}={v}" for k, v in options["columns"].items())]
    if not options.get("streaming", True):
        words.append("--no-streaming")
    if options.get("allow_urls"):
        words.append("--allow-urls")
    for path in options["imports"]:
        words += ["--import", path]
    for name in ("max_pixels", "seed"):
        given = options.get(name, ScoreConfig.model_fields[name].default)
        if not run.manifest.get("like") and given != ScoreConfig.model_fields[name].default:
            words += [f"--{name.replace('_', '-')}", str(given)]
    return shlex.join(words)


def _models(run: Run) -> str:
    """What was typed; with the commits where a model is from the hub."""
    from scoring.model_specs import parse_models
    from scoring.models import pinned_text

    typed = str(run.manifest["options"]["models"])
    specs = run.manifest.get("models", {}).get("specs")
    same = specs is None or specs == parse_models(typed).filled()
    return typed if same else pinned_text(run.manifest["models"]) or typed


def select_command(run: Path, out: Path, settings: SelectConfig) -> str:
    """The command line that makes the selection again."""
    words = ["pickwell", "select", str(run), "--out", str(out), "--budget", str(settings.budget)]
    defaults = SelectConfig()
    for name in (
        "add_to",
        "by",
        "quality",
        "method",
        "clusters",
        "clustering",
        "space",
        "tempering",
        "near_duplicate",
        "random_seeds",
        "seed",
    ):
        value = getattr(settings, name)
        needless = name == "quality" and (settings.by or settings.consensus or settings.add_to)
        if value != getattr(defaults, name) and not needless:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if settings.consensus:
        words += ["--consensus", ",".join(settings.consensus)]
    for floor in settings.floors:
        words += ["--floor", floor]
    if not settings.default_floors:
        words.append("--no-default-floors")
    if settings.copy_images:
        words.append("--copy-images")
    return shlex.join(words)
