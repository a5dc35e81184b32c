"""From image references to facts, image metrics, thumbnails and vectors, each computed once.

Encoded bytes are read and hashed in threads; the hash is the address of everything that follows
from the image. Only an image of which something is missing is decoded, in threads too, one shard
ahead of the model; the model itself runs in the calling thread.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from data_cards.errors import BadRowError
from data_cards.images import ImageLimits, decode, read_bytes
from data_cards.sample import ImageRef
from scoring.metric import Column, ImageMetric, metric_key
from scoring.store import KeyedStore, content_key

if TYPE_CHECKING:
    import torch

    from data_cards.downloader import Downloader
    from scoring.encoders.base import ImageEncoder

DECODE_VERSION = 4
DECODE_TARGET = (256, 256)
FACTS = pa.schema(
    [
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("mode", pa.string()),
        ("format", pa.string()),
        ("frames", pa.int32()),
        ("thumbnail", pa.binary()),
        ("error", pa.string()),
    ]
)
ARROW_TYPES = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
}


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Arrow types of a metric's columns."""
    return pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in columns])


def vector_schema(dim: int) -> pa.Schema:
    """One unit vector a row, stored as float16."""
    return pa.schema([("vector", pa.list_(pa.float16(), dim))])


@dataclass(slots=True)
class LoadedImage:
    """What reading one reference gave: its key and bytes, or why not."""

    key: bytes | None
    data: bytes | None = None
    error: str | None = None


@dataclass(slots=True)
class _Decoded:
    facts: dict[str, Any]
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    pixels: torch.Tensor | None = None


class ImageStage:
    """Images of one run: what is known, what is missing, and the threads that fetch it.

    Args:
        cache: Root of the content-addressed stores.
        metrics: Image metrics to compute.
        encoder: Makes the vectors; ``None`` if no metric needs them.
        limits: What is refused before decoding.
        thumbnail: Longest side of the stored thumbnails in pixels; 0: none.
        workers: Decoding threads.
        downloader: Fetches images that are addresses; ``None``: they are refused.
        keep: Whether what is computed is written to the stores, or held in memory only.
    """

    def __init__(
        self,
        cache: Path,
        metrics: Sequence[ImageMetric],
        encoder: ImageEncoder | None,
        limits: ImageLimits,
        thumbnail: int,
        workers: int,
        downloader: Downloader | None = None,
        keep: bool = True,
    ) -> None:
        self.downloader = downloader
        self.metrics = list(metrics)
        self.keep = keep
        self.encoder = encoder
        self.limits = limits
        self.thumbnail = thumbnail
        identity = content_key(str(DECODE_VERSION), repr(limits), str(thumbnail)).hex()
        self.facts = KeyedStore(cache / f"images-{identity}", FACTS, keep)
        self.measured = {
            metric.spec.name: KeyedStore(
                cache / f"{metric.spec.name}-{metric_key(metric)}",
                arrow_schema(metric.spec.columns),
                keep,
            )
            for metric in self.metrics
        }
        self.vectors = (
            None
            if encoder is None
            else KeyedStore(
                cache / f"image-vectors-{encoder.key}", vector_schema(encoder.dim), keep
            )
        )
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        # Of their own: the next shard's reads must not queue behind this shard's decoding.
        waiting = 0 if downloader is None else downloader.limits.at_once
        self.readers = ThreadPoolExecutor(max(workers, waiting), thread_name_prefix="read")
        self.decoded = 0
        self.encoded = 0
        self._claimed: set[bytes] = set()

    def close(self) -> None:
        """Stop the threads; what they were about to do is dropped."""
        for threads in (self.readers, self.pool):
            threads.shutdown(wait=True, cancel_futures=True)

    def forget(self) -> None:
        """Drop what is held in memory only, and what a failed pass had begun to decode."""
        self._claimed.clear()
        for store in (self.facts, *self.measured.values(), self.vectors):
            if store is not None:
                store.forget()

    def load(self, refs: Sequence[ImageRef]) -> list[Future[LoadedImage]]:
        """Start reading and hashing the bytes of ``refs``."""
        return [self.readers.submit(self._read, ref) for ref in refs]

    def start_decoding(self, loaded: Sequence[LoadedImage]) -> dict[bytes, Future[_Decoded]]:
        """Start decoding those of which something is missing and that nobody else decodes."""
        jobs: dict[bytes, Future[_Decoded]] = {}
        known = [image.key for image in loaded if image.key and image.key in self.facts]
        hopeless = {k for k, error in zip(known, self.errors(known), strict=True) if error}
        for image in loaded:
            key, data, image.data = image.key, image.data, None
            taken = key in jobs or key in self._claimed or key in hopeless
            if key is None or data is None or taken:
                continue
            wanted = self._wanted(key)
            if wanted:
                self._claimed.add(key)
                jobs[key] = self.pool.submit(self._decode, data, wanted)
        return jobs

    def finish(self, jobs: Mapping[bytes, Future[_Decoded]]) -> None:
        """Encode the images as they come out of the decoder, then store everything."""
        if not jobs:
            return
        done: dict[bytes, _Decoded] = {}
        passes: list[Future[dict[bytes, np.ndarray]]] = []
        waiting: dict[bytes, torch.Tensor] = {}
        for number, (key, job) in enumerate(jobs.items(), 1):
            done[key] = item = job.result()
            if self.encoder is None:
                continue
            if item.pixels is not None:
                waiting[key], item.pixels = item.pixels, None
            if waiting and (len(waiting) == self.encoder.batch_size or number == len(jobs)):
                passes.append(self._start_encoding(waiting))
                waiting = {}
        vectors = {key: vector for one in passes for key, vector in one.result().items()}
        self.decoded += len(done)
        self.encoded += len(vectors)
        fresh = self.facts.missing(done)
        self.facts.append(
            fresh, pa.Table.from_pylist([done[key].facts for key in fresh], schema=FACTS)
        )
        for name, store in self.measured.items():
            keys = [k for k in done if name in done[k].metrics]
            rows = [done[k].metrics[name] for k in keys]
            store.append(keys, pa.Table.from_pylist(rows, schema=store.schema))
        if vectors and self.vectors is not None:
            self.vectors.append(list(vectors), vectors_table(np.stack(list(vectors.values()))))
        self._claimed.difference_update(done)

    def errors(self, keys: Sequence[bytes]) -> list[str | None]:
        """Why each image could not be decoded, without its name; ``None`` where it could."""
        return self.facts.take(keys, ["error"])["error"].to_pylist()

    def vectors_of(self, keys: Sequence[bytes]) -> np.ndarray:
        """Unit float32 vectors, shape (len(keys), dim)."""
        if self.vectors is None:
            return np.empty((len(keys), 0), np.float32)
        return vectors_from(self.vectors.take(keys))

    def _wanted(self, key: bytes) -> frozenset[str]:
        wanted = {f"metric:{name}" for name, store in self.measured.items() if key not in store}
        if key not in self.facts:
            wanted.add("facts")
        if self.vectors is not None and key not in self.vectors:
            wanted.add("vector")
        return frozenset(wanted)

    def _read(self, ref: ImageRef) -> LoadedImage:
        try:
            data = read_bytes(ref, self.limits.max_bytes, self.downloader)
        except BadRowError as error:
            return LoadedImage(None, None, error.reason)
        return LoadedImage(content_key(data), data)

    def _decode(self, data: bytes, wanted: frozenset[str]) -> _Decoded:
        whole = self.encoder is not None and self.encoder.whole_images and "vector" in wanted
        try:
            image, facts = decode(data, limits=self.limits, target=DECODE_TARGET)
            # Facts and metrics are the same whichever encoder is named, so that it gets its own.
            reduced = image.size != (facts["width"], facts["height"])
            seen = decode(data, limits=self.limits)[0] if whole and reduced else image
        except BadRowError as error:
            return _Decoded({"error": error.reason})
        except MemoryError:
            return _Decoded({"error": "image too large for the memory of this machine"})
        result = _Decoded(dict(facts))
        if self.thumbnail:
            small = image.copy()
            small.thumbnail((self.thumbnail,) * 2, Image.Resampling.BILINEAR, reducing_gap=1.0)
            buffer = io.BytesIO()
            small.save(buffer, "WEBP", quality=72, method=0)
            result.facts["thumbnail"] = buffer.getvalue()
        for metric in self.metrics:
            if f"metric:{metric.spec.name}" in wanted:
                result.metrics[metric.spec.name] = metric.measure(image, facts)
        if "vector" in wanted and self.encoder is not None:
            _one_core()
            result.pixels = self.encoder.preprocess(seen)
        return result

    def _start_encoding(
        self, pixels: Mapping[bytes, torch.Tensor]
    ) -> Future[dict[bytes, np.ndarray]]:
        """One pass, among the decoding threads or, if it takes all cores by itself, here."""
        encoder = self.encoder
        if encoder is None:
            raise RuntimeError("no encoder to encode with")
        import torch

        def encode() -> dict[bytes, np.ndarray]:
            if encoder.one_core_passes:
                _one_core()
            return dict(
                zip(pixels, encoder.encode_images(torch.stack(list(pixels.values()))), strict=True)
            )

        if encoder.one_core_passes:
            return self.pool.submit(encode)
        done: Future[dict[bytes, np.ndarray]] = Future()
        done.set_result(encode())
        return done


_LIMITED = threading.local()


def _one_core() -> None:
    """Keep torch, in this thread alone, from sharing its work among all cores.

    ``torch.set_num_threads`` would do it for every thread that has not used torch yet, the main
    one too.
    """
    if getattr(_LIMITED, "done", False):
        return
    import torch
    from threadpoolctl import threadpool_limits

    torch.get_num_threads()  # torch sets a new thread's number once, when it is first asked for
    threadpool_limits(1, user_api="openmp")
    _LIMITED.done = True


def vectors_table(vectors: np.ndarray) -> pa.Table:
    """(n, dim) float vectors as one float16 list column."""
    n, dim = vectors.shape
    flat = pa.array(np.ascontiguousarray(vectors, np.float16).reshape(n * dim))
    return pa.table({"vector": pa.FixedSizeListArray.from_arrays(flat, dim)})


def vectors_from(table: pa.Table) -> np.ndarray:
    """The other way round, as float32, every row brought back to unit length."""
    column = table["vector"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    dim = column.type.list_size
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, np.finfo(np.float32).tiny)
