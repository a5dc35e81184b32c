"""``pickwell formats``: what can be read, and what a given path is taken for."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import typer

from pickwell.commands.options import parse_columns


def formats(
    data: str = typer.Argument(None, help="Say what this is and show its first samples."),
    format: str = typer.Option(None, help="State the format instead of recognising it."),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    card: str = typer.Option(None, help="Read columns as this data card says."),
    columns: str = typer.Option(None, help="Own mapping, e.g. image=file,response=caption."),
    split: str = typer.Option(None, help="Split of a Hugging Face data set."),
    subset: str = typer.Option(None, help="Configuration of a Hugging Face data set."),
) -> None:
    """List formats and data cards, or show how DATA is read, before anything is scored."""
    from rich.table import Table

    from data_cards.cards import list_cards
    from data_cards.readers.base import formats as known_formats
    from data_cards.source import open_source
    from pickwell.console import out
    from pickwell.summary import print_source

    if data is None:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("format")
        table.add_column("what it is")
        for name, known in known_formats().items():
            table.add_row(name, known.summary)
        out.print(table)
        out.print(f"\nData cards: {', '.join(list_cards())}", markup=False)
        return
    source = open_source(
        data,
        format=format,
        images=images,
        card=card,
        columns=parse_columns(columns),
        split=split,
        config=subset,
    )
    print_source(source)
    for sample in islice(source.samples(), 3):
        out.print(f"\n{sample.where}", style="bold", markup=False, end="  ")
        out.print(f"id {sample.id}", markup=False)
        if sample.error:
            out.print(f"  bad row: {sample.error}", markup=False)
            continue
        names = ", ".join(ref.name for ref in sample.images) or "no image"
        for label, text in (
            ("images", names),
            ("instruction", sample.instruction),
            ("response", sample.response),
        ):
            out.print(f"  {label:12}{text[:300]}", markup=False)
