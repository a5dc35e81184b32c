"""A row's picture as a metric may open it: known by its hash, read only when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from data_cards.errors import BadRowError
from data_cards.images import LIMITS, ImageLimits, decode, read_bytes
from data_cards.sample import ImageRef
from scoring.store import content_key

if TYPE_CHECKING:
    from data_cards.downloader import Downloader


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of one row.

    Attributes:
        key: Hash of its encoded bytes, as they were when the row was read.
        ref: Where the bytes are.
        limits: What is refused before it is decoded.
        downloader: Fetches it if it is an address; what was fetched once is kept.
    """

    key: bytes
    ref: ImageRef
    limits: ImageLimits = LIMITS
    downloader: Downloader | None = None

    def decoded(self, side: int | None = None) -> Image.Image:
        """Read and decode it to RGB, upright.

        Args:
            side: Longest side in pixels that is needed; a larger picture is reduced to it.

        Raises:
            BadRowError: If it cannot be decoded, or is no longer what was hashed.
        """
        data = read_bytes(self.ref, self.limits.max_bytes, self.downloader)
        if content_key(data) != self.key:
            raise BadRowError(f"image changed while it was being scored: {self.ref.name}")
        target = None if side is None else (side, side)
        image, _ = decode(data, self.ref.name, limits=self.limits, target=target)
        if side is not None and max(image.size) > side:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
        return image

    def jpeg(self, side: int) -> bytes:
        """The same as a JPEG file, longest side at most ``side`` pixels.

        Raises:
            BadRowError: See :meth:`decoded`.
        """
        buffer = BytesIO()
        self.decoded(side).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()
