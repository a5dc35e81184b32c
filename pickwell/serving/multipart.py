"""A form with a file (RFC 7578), taken apart where the whole body is in memory already."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pickwell.serving.limits import Refused

MAX_PARTS = 32
_HEADERS = 4_096
"""Bytes of a part's headers."""
_QUOTED = re.compile(r'(?<![a-zA-Z*])([a-zA-Z*]{1,40})=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')
"""A parameter; a long run of letters is looked at once, not again from each of its letters."""


@dataclass(frozen=True)
class Part:
    """One field of a form.

    Attributes:
        name: Its name.
        data: Its bytes.
        is_file: Whether it came with a file name.
    """

    name: str
    data: bytes
    is_file: bool


def parse_form(body: bytes, content_type: str) -> list[Part]:
    """The parts of a ``multipart/form-data`` body, in order.

    Raises:
        Refused: If the body is no such form, or has too many parts.
    """
    boundary = _parameters(content_type).get("boundary", "")
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise Refused(400, "The form has no boundary.", "Let your HTTP library write the form.")
    fence = b"--" + boundary.encode()
    # A line break in front, so that the first fence looks like all others.
    pieces = (b"\r\n" + body).split(b"\r\n" + fence, MAX_PARTS + 2)
    if len(pieces) > MAX_PARTS + 2:
        raise Refused(413, f"The form has more than {MAX_PARTS} parts.", "Send fewer.")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Refused(400, "The form ends before its closing boundary.", "Send it again, whole.")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    line, _, rest = piece.partition(b"\r\n")
    head, blank, data = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if line.strip() or not blank or len(head) > _HEADERS:
        raise Refused(400, "A part of the form has no headers.", "Send a well-formed form.")
    headers: dict[str, str] = {}
    for text in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise Refused(400, "A part of the form is transfer-encoded.", "Send its bytes as they are.")
    words = _parameters(headers.get("content-disposition", ""))
    if "name" not in words:
        raise Refused(400, "A part of the form has no name.", "Send a well-formed form.")
    return Part(words["name"], data, "filename" in words or "filename*" in words)


def _parameters(header: str) -> dict[str, str]:
    """``form-data; name="x"`` to its parameters."""
    return {
        key.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for key, quoted, plain in _QUOTED.findall(header)
    }
