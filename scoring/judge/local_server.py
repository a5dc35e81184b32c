"""A vLLM server on this machine, with the embedded SmolLM2 unless another model is named.

``make vllm`` starts it. SmolLM2 knows nothing of judging and sees no pictures: it is there to try
the way from the command to a server and back.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from data_cards.errors import BadInputError

NAME = "smollm2"


def start(
    python: Path, model: Path, port: int, *, name: str = NAME, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start the server in a process of its own; see :func:`wait_until_ready`.

    Args:
        python: The interpreter of the environment that holds vLLM (``make vllm-env``).
        model: Folder of the model.
        port: On loopback.
        name: What the model is called.
        log: File for what the server prints; ``None``: this process's own output.

    Raises:
        BadInputError: If there is no such environment.
    """
    if not python.is_file():
        raise BadInputError(f"There is no {python}.", "Build the environment: make vllm-env.")
    words = ["-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    words += ["--served-model-name", name, "--host", "127.0.0.1", "--port", str(port)]
    words += ["--max-model-len", "2048", "--enforce-eager"]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", **os.environ}
    command = [str(python), *words]
    if log is None:  # a group of its own: its engine is a child that has to end with it
        return subprocess.Popen(command, env=environment, start_new_session=True)
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """End the server, its engine and its workers; those that do not go are killed."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, seconds: float = 600) -> None:
    """Wait until the server answers.

    Raises:
        BadInputError: If it ends, or is not ready in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise BadInputError(
                f"The vLLM server ended with code {process.returncode}.", "See what it printed."
            )
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
                return
        except OSError:
            time.sleep(1)
    stop(process)
    raise BadInputError(f"The vLLM server was not ready within {seconds:g} s.", "Try again.")


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(words: Sequence[str] | None = None) -> int:
    """Start the server, say what to type, and stay until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(".vllm/bin/python"))
    parser.add_argument("--model", type=Path, help="folder of a model; default: SmolLM2")
    parser.add_argument("--name", default=NAME)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    given = parser.parse_args(words)
    for ending in (signal.SIGINT, signal.SIGTERM):  # either way the server ends as well
        signal.signal(ending, signal.default_int_handler)
    process = None
    try:
        if given.model is None:
            from scoring.smollm2 import weights_folder

            given.model = weights_folder()
        port = given.port or free_port()
        process = start(given.python, given.model, port, name=given.name)
        wait_until_ready(process, port)
        spec = f"openai:{given.name}@http://127.0.0.1:{port}/v1"
        print("\nReady (Ctrl-C ends it). In another terminal:\n")
        print(f"  pickwell score DATA --out RUN --no-judge-images --judge {spec}\n", flush=True)
        return process.wait()
    except BadInputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if process is not None:
            stop(process)


if __name__ == "__main__":
    sys.exit(main())
