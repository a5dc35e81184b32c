"""Options of the verbs that train many times: how to train, on what devices, what to measure on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str | None, typer.Option(help="embedded (default), a folder, or a hub id.")]
Train = Annotated[str | None, typer.Option(help="projector (default), lora or all.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Samples per pass; default 8.")]
Accumulation = Annotated[int | None, typer.Option(min=1, help="Passes per step; default 1.")]
LearningRate = Annotated[
    float | None,
    typer.Option(help="Peak; default 1e-3 (projector), 2e-4 (lora), 2e-5 (all)."),
]
MaxLength = Annotated[int | None, typer.Option(min=1, help="Longest sample in tokens.")]
Bf16 = Annotated[bool | None, typer.Option(help="Compute in bfloat16; default: where a GPU can.")]
TextOnly = Annotated[bool | None, typer.Option("--text-only", help="Rows without image too.")]
CacheFeatures = Annotated[
    bool | None, typer.Option(help="Run the vision tower once per image (on).")
]
Cache = Annotated[Path | None, typer.Option(help="Where features are kept between runs.")]
Devices = Annotated[
    str | None, typer.Option(help="One worker each, e.g. 0,1,2,3 (CUDA), or cpu,cpu.")
]
Share = Annotated[
    str | None, typer.Option(help="Do only part I of N, e.g. 2/4, on one of N machines.")
]
TargetLimit = Annotated[
    int | None, typer.Option(min=1, help="At most so many target samples, drawn.")
]
Format = Annotated[str | None, typer.Option(help="Format of the target (see `pickwell formats`).")]
Images = Annotated[
    Path | None, typer.Option(help="Folder that the target's image paths start from.")
]
Card = Annotated[str | None, typer.Option(help="Read the target's columns as this data card says.")]
Columns = Annotated[str | None, typer.Option(help="Own mapping, e.g. image=file,response=caption.")]
Split = Annotated[str | None, typer.Option(help="Split of a Hugging Face data set.")]
Instruction = Annotated[str | None, typer.Option(help="Instruction for a target that has none.")]
TrustRemoteCode = Annotated[
    bool | None,
    typer.Option("--trust-remote-code", help="Run code that comes with the model."),
]
