"""Open a vision-language model: the embedded one, a folder, or one of the hub's."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from scoring.transformers_language_model import quiet_transformers

EMBEDDED = "embedded"
_HASHED = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".py")
_DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class LoadedVlm:
    """A model with its processor.

    Attributes:
        model: The ``AutoModelForImageTextToText``, in evaluation mode, on its device.
        processor: Its processor; it has a tokenizer with a padding token.
        spec: What it was asked for as.
        key: 16 hexadecimal digits: the identity of weights, picture input and chat template. The
            dtype is not in it.
    """

    model: Any
    processor: Any
    spec: str
    key: str


def load_vlm(
    spec: str,
    *,
    dtype: str = "auto",
    device: str | None = None,
    trust_remote_code: bool = False,
) -> LoadedVlm:
    """Open a model that answers questions about pictures.

    Args:
        spec: ``"embedded"``, a local folder as ``save_pretrained`` writes it, or a hub id
            (``"owner/name"``). A folder of the same name comes before the hub.
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"``, or ``"auto"``: as the folder has it;
            float32 for the embedded model.
        device: ``"cpu"``, ``"cuda"``, ...; CUDA where there is one if not given.
        trust_remote_code: Run code that comes with the model. Off unless asked for.

    Raises:
        BadInputError: It is not there, is no such model, or asks for code of its own.
    """
    import torch

    if dtype not in _DTYPES:
        raise BadInputError(f"{dtype!r} is no dtype", f"One of: {', '.join(_DTYPES)}.")
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if spec == EMBEDDED:
        from finetune.models.embedded import build_embedded, embedded_key

        model: Any
        model, processor = build_embedded(dtype="float32" if dtype == "auto" else dtype)
        return LoadedVlm(model.to(where), processor, spec, embedded_key())
    model, processor = _open(spec, dtype, trust_remote_code)
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None:
        message = f"{spec} has no processor of pictures and text together."
        raise BadInputError(message, "Save the model's processor into its folder.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    local = Path(spec)
    key = folder_key(local) if local.is_dir() else _hub_key(spec, model, processor)
    return LoadedVlm(model.eval().to(where), processor, spec, key)


def _open(spec: str, dtype: str, trust_remote_code: bool) -> tuple[Any, Any]:
    """Model and processor from a folder or the hub, with errors that say what to do."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    local = bool(spec) and Path(spec).is_dir()
    if not local and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", spec):
        message = f"{spec!r} is neither a folder nor the id of a model."
        raise BadInputError(message, 'Give "embedded", a folder, or a hub id such as owner/name.')
    options = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    kind = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        with quiet_transformers():
            processor = AutoProcessor.from_pretrained(spec, **options)
            model = AutoModelForImageTextToText.from_pretrained(spec, dtype=kind, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "trust_remote_code" in str(error):
            remedy = "Pass trust_remote_code only if you have read that code."
        elif local:
            remedy = "It must be a folder written by save_pretrained, with model and processor."
        else:
            remedy = "Check the id and the network, or give a folder that is on this machine."
        raise BadInputError(f"Cannot open the model {spec}: {first}", remedy) from error
    return model, processor


def folder_key(folder: Path) -> str:
    """16 hexadecimal digits of a SHA-256 over names and contents of a model folder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _HASHED:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name}\x00{content}\n".encode())
    return digest.hexdigest()[:16]


def _hub_key(spec: str, model: Any, processor: Any) -> str:
    """Of the commit that the hub gave, and the processor's template."""
    commit = getattr(model.config, "_commit_hash", None) or ""
    text = f"{spec}\x00{commit}\x00{getattr(processor, 'chat_template', '')}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
