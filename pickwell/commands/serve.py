"""``pickwell serve``: single pairs and small batches, scored over HTTP."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def serve(
    like: Path = typer.Argument(..., help="Run or selection that pairs are scored like."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8765, min=0, max=65535, help="Port; 0: any that is free."),
    image_root: Path = typer.Option(
        None, "--image-root", help="Folder that image paths of requests may point into."
    ),
    chosen: Path = typer.Option(
        None, help="With a run: name the near-duplicates of this selection's picks."
    ),
    max_batch: int = typer.Option(64, min=1, max=4096, help="Pairs in a request."),
    max_body: str = typer.Option("32MiB", help="Size of a request."),
    max_queue: int = typer.Option(16, min=0, help="Requests that wait while one is scored."),
    max_text: int = typer.Option(20_000, min=1, help="Characters of a pair."),
    timeout: float = typer.Option(120.0, min=0.1, help="Seconds to an answer."),
    cache: Path = typer.Option(None, help="Where known rows are read from; never written."),
) -> None:
    """Score pairs over HTTP like a stored run: POST /score, GET /health, /about, /metrics."""
    from data_cards.errors import BadInputError
    from pickwell.console import err, out
    from pickwell.like_job import open_like
    from pickwell.serving.limits import Limits, parse_size

    try:
        from pickwell.serving.run import TOKEN, is_local, run_service
    except ModuleNotFoundError as error:
        raise BadInputError(
            f"The package {error.name} is not installed.",
            'Install it: pip install "pickwell[serve]"',
        ) from error
    if image_root is not None and not image_root.is_dir():
        raise BadInputError(f"{image_root} is no folder.", "Check --image-root.")
    token = os.environ.get(TOKEN) or None
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise BadInputError(f"{TOKEN} holds what no header can.", "Use letters and digits.")
    limits = Limits(
        max_batch=max_batch,
        max_body=parse_size(max_body),
        max_queue=max_queue,
        max_text=max_text,
        answer_seconds=timeout,
    )
    opened = open_like(like, chosen, warm=True)
    _ = opened.models_and_metrics  # what does not fit is told of before anybody is listened to
    if not is_local(host) and token is None:
        err.print(
            f"Warning: whoever reaches {host} can use this service: there is no authentication. "
            f"Set {TOKEN}, or stay on 127.0.0.1.",
            style="bold yellow",
            soft_wrap=True,
        )
    run_service(
        opened,
        limits,
        host=host,
        port=port,
        image_root=image_root,
        cache=cache,
        token=token,
        on_address=lambda address: out.print(
            f"Serving {like} at {address} (POST /score, GET /health, /about, /metrics, "
            "/openapi.json); Ctrl-C ends it.",
            markup=False,
            soft_wrap=True,
        ),
    )
