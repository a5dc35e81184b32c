"""``pickwell models``: presets, the forms of a spec, and whether models can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pickwell.models_job import Checked

FORMS = {
    "encoder": "embedded · open_clip:ARCH/TAG[@REVISION] · open_clip:hf-hub:OWNER/NAME[@REVISION]"
    " · open_clip:ARCH@CHECKPOINT · open_clip:FOLDER",
    "language_model": "embedded · hf-lm:OWNER/NAME[@REVISION] · hf-lm:FOLDER",
    "reward": "hf-reward:OWNER/NAME[@REVISION] · hf-reward:FOLDER",
    "judge": "openai:MODEL@http://HOST:PORT/v1 · vllm:OWNER/NAME[@REVISION] · vllm:FOLDER",
}
IMAGE_FORMS = (
    "every encoder · timm:NAME[.TAG][@REVISION] · timm:hf-hub:OWNER/NAME[@REVISION]"
    " · timm:NAME[.TAG]@CHECKPOINT · timm:FOLDER · hf-image:OWNER/NAME[@REVISION]"
    " · hf-image:FOLDER"
)


def models(
    spec: str = typer.Argument(
        None, help="A preset or specification to check, e.g. laptop or embedded,reward=..."
    ),
    load: bool = typer.Option(False, "--load", help="Load each model and try it on one pair."),
    allow_pickle: list[str] = typer.Option(
        None, help="Model whose weights may be read though they are pickles."
    ),
    trust_remote_code: list[str] = typer.Option(None, help="Model whose own code may run."),
) -> None:
    """List presets and specs; with SPEC, say whether each model can be had, at which revision.

    Ends with exit code 2 if one cannot be had.
    """
    from pickwell.models_job import check_models

    if spec is None:
        _list()
        return
    found = check_models(
        spec,
        load=load,
        allow_pickle=allow_pickle or (),
        trust_remote_code=trust_remote_code or (),
    )
    _show(found)
    if any(one.problem for one in found):
        raise typer.Exit(2)


def _list() -> None:
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out
    from scoring.model_specs import PRESETS, ROLES

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("preset", style="bold")
    table.add_column("role", style="dim")
    table.add_column("spec", overflow="fold")
    for name, specs in PRESETS.items():
        filled = specs.filled() or {"": "text and pixel metrics only"}
        for place, (role, spec) in enumerate(filled.items()):
            table.add_row("" if place else name, role, spec)
    out.print(table)
    out.print()
    forms = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    forms.add_column("role", style="dim")
    forms.add_column("what may be written", overflow="fold")
    for role in ROLES:
        forms.add_row(role, Text(FORMS[role]))
    forms.add_row("images of prune", Text(IMAGE_FORMS))
    out.print(forms)
    out.print()
    out.print(
        "pickwell score ... --models laptop --reward none, or in a file `score: {models: {preset: "
        "laptop, reward: none}}`. `pickwell models SPEC` checks.",
        markup=False,
        soft_wrap=True,
    )


def _show(found: list[Checked]) -> None:
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    if not found:
        out.print("No models: text and pixel metrics only.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("role", style="dim")
    table.add_column("state")
    table.add_column("what", overflow="fold")
    for one in found:
        table.add_row(one.role, "no" if one.problem else "ok", Text(one.said))
    out.print(table)
    for one in found:
        if one.problem:
            out.print(
                f"{one.role}: {one.problem} {one.remedy}",
                markup=False,
                soft_wrap=True,
            )
