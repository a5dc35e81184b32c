"""Fetching images from addresses that strangers wrote: public hosts only, in bounds, once.

The host's name is resolved here, every address is checked, and the connection goes to the address
that was checked, so that a name cannot mean something else a moment later (DNS rebinding); host
header and certificate stay those of the name. Redirects are followed by hand and each is checked
again. Proxies of the environment are not used: a proxy would resolve the name itself.
"""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

from data_cards.errors import BadRowError
from data_cards.images import looks_like_image
from data_cards.public_address import Network, Place, Resolve, place_of, system_resolve
from data_cards.replacing import replacing

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNTOLD = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "pickwell"}


@dataclass(frozen=True)
class DownloadLimits:
    """What fetching one image may cost.

    Attributes:
        redirects: Most redirects that are followed.
        attempts: Tries in all, where the fault may pass (429, 5xx, timeouts).
        connect: Seconds for connecting.
        read: Seconds without a byte.
        total: Seconds for one try in all, whatever trickles in.
        back_off: Seconds before the second try; doubled each time.
        longest_wait: Most seconds between two tries, whatever ``Retry-After`` says.
        at_once: Downloads at the same time.
    """

    redirects: int = 5
    attempts: int = 4
    connect: float = 10.0
    read: float = 20.0
    total: float = 60.0
    back_off: float = 1.0
    longest_wait: float = 30.0
    at_once: int = 16


class _PassingError(Exception):
    """A fault that may pass; ``after``: seconds that the server asks to wait."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


class Downloader:
    """Fetches each address once and keeps what came on disk; may be used by many threads.

    What was refused for good (not public, not an image, too large, 404) is remembered for the
    life of the object; what failed for a time is asked for again by the next caller.

    Args:
        cache: Folder of what was fetched, one file per address.
        limits: What one image may cost.
        permit: Networks that are let through although they are not public (tests).
        resolve: Name and port to IP addresses.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        cache: Path,
        limits: DownloadLimits | None = None,
        *,
        permit: Sequence[Network] = (),
        resolve: Resolve = system_resolve,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits or DownloadLimits()
        self.fetched = 0
        self._cache = cache
        self._permit = tuple(permit)
        self._resolve = resolve
        self._sleep = sleep
        self._tls: ssl.SSLContext | None = None
        self._gate = threading.BoundedSemaphore(self.limits.at_once)
        self._guard = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._refused: dict[str, str] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """It travels to other processes as it was made: with locks and memory of its own."""
        more: dict[str, Any] = {
            "permit": self._permit,
            "resolve": self._resolve,
            "sleep": self._sleep,
        }
        return partial(type(self), **more), (self._cache, self.limits)

    def fetch(self, url: str, max_bytes: int) -> bytes:
        """The bytes behind an address, from the cache if it was fetched before.

        Raises:
            BadRowError: It cannot be had; the reason ends with the (shortened) address.
        """
        url = urldefrag(url).url
        key = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        path = self._cache / key[:2] / key
        with self._guard:
            lock = self._busy.setdefault(key, threading.Lock())
        with lock:  # the same address twice at once: the second waits, then reads the file
            refused = self._refused.get(key)
            if refused is not None:
                raise BadRowError(refused)
            if path.is_file():
                return _kept(path, max_bytes, url)
            with self._gate:
                data = self._fetch(url, key, max_bytes)
            with replacing(path) as file:
                file.write(data)
        with self._guard:
            self.fetched += 1
            self._busy.pop(key, None)
        return data

    def _fetch(self, url: str, key: str, max_bytes: int) -> bytes:
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.limits.attempts),
            retry=tenacity.retry_if_exception_type(_PassingError),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._follow, url, max_bytes)
        except _PassingError as error:
            raise BadRowError(_named(error.reason, url)) from None
        except BadRowError as error:
            reason = self._refused[key] = _named(error.reason, url)
            raise BadRowError(reason) from None

    def _wait(self, state: Any) -> float:
        error = state.outcome.exception()
        doubled = self.limits.back_off * 2 ** (state.attempt_number - 1)
        jitter = random.uniform(0, self.limits.back_off / 2)  # noqa: S311 (no secret)
        asked = error.after if error.after is not None else doubled + jitter
        return float(min(max(asked, 0.0), self.limits.longest_wait))

    def _follow(self, url: str, max_bytes: int) -> bytes:
        deadline = time.monotonic() + self.limits.total
        current = url
        for _ in range(self.limits.redirects + 1):
            place = place_of(current, self._resolve, self._permit)
            with self._answer(place, deadline) as answer:
                if answer.status_code in _REDIRECTS and "location" in answer.headers:
                    current = urldefrag(urljoin(current, answer.headers["location"])).url
                    continue
                return _body(answer, max_bytes, deadline)
        raise BadRowError(f"image URL redirects more than {self.limits.redirects} times")

    @contextmanager
    def _answer(self, place: Place, deadline: float) -> Iterator[Any]:
        """The answer of the first of the checked addresses that takes the connection."""
        import httpx2

        for number, address in enumerate(place.addresses, 1):
            try:
                with self._asked(place, address, deadline) as answer:
                    yield answer
                    return
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise BadRowError("image server's certificate is not valid") from error
                if number == len(place.addresses):
                    raise _PassingError("image host does not answer") from error
            except httpx2.TimeoutException as error:
                raise _PassingError("image download timed out") from error
            except (httpx2.TransportError, OSError) as error:
                late = time.monotonic() >= deadline
                said = "image download timed out" if late else "image download broke off"
                raise _PassingError(said) from error
            except httpx2.InvalidURL as error:
                raise BadRowError("image URL is malformed") from error

    @contextmanager
    def _asked(self, place: Place, address: str, deadline: float) -> Iterator[Any]:
        import httpx2

        left = deadline - time.monotonic()
        if left <= 0:
            raise _PassingError("image download timed out")
        timeout = httpx2.Timeout(
            min(self.limits.read, left), connect=min(self.limits.connect, left)
        )
        number = f"[{address}]" if ":" in address else address
        shown = f"[{place.host}]" if ":" in place.host else place.host
        usual = place.port == (443 if place.scheme == "https" else 80)
        headers = _HEADERS | {"Host": shown if usual else f"{shown}:{place.port}"}
        alarm = _Alarm(left)
        # No environment, no connection kept: the next host may share the address, not the name.
        with (
            httpx2.Client(trust_env=False, verify=self._certificates(), timeout=timeout) as client,
            alarm,
            client.stream(
                "GET",
                f"{place.scheme}://{number}:{place.port}{place.target}",
                headers=headers,
                follow_redirects=False,
                extensions={"sni_hostname": place.host, "trace": alarm.trace},
            ) as answer,
        ):
            yield answer

    def _certificates(self) -> ssl.SSLContext:
        with self._guard:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return self._tls


class _Alarm:
    """Shuts a connection when the time of a try is over, however slowly bytes trickle in."""

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> _Alarm:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the socket when it is connected (an extension of httpx)."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _ring(self) -> None:
        if self._socket is not None:
            try:
                # The plain method: TLS' own would pull its state from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:  # closed already
                return


def _body(answer: Any, max_bytes: int, deadline: float) -> bytes:
    status = answer.status_code
    if status in _AGAIN:
        raise _PassingError(f"image server answered {status}", _retry_after(answer.headers))
    if status != 200:
        raise BadRowError(f"image server answered {status}")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith("image/") and kind not in _UNTOLD:
        raise BadRowError(f"image URL gives {kind[:40]}, not an image")
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadRowError("image server compresses although it was asked not to")
    told = answer.headers.get("content-length", "")
    if told.isdecimal() and int(told) > max_bytes:
        raise BadRowError(f"image too large ({told} bytes, limit {max_bytes})")
    chunks, size = [], 0
    for chunk in answer.iter_raw():
        size += len(chunk)
        if size > max_bytes:
            raise BadRowError(f"image too large (more than {max_bytes} bytes)")
        if time.monotonic() > deadline:
            raise _PassingError("image download timed out")
        chunks.append(chunk)
    data = b"".join(chunks)
    if not data:
        raise BadRowError("image is empty")
    if kind in _UNTOLD and not looks_like_image(data):
        raise BadRowError("image URL gives bytes that are no image")
    return data


def _retry_after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        return parsedate_to_datetime(told).timestamp() - time.time()
    except (TypeError, ValueError, IndexError):
        return None


def _kept(path: Path, max_bytes: int, url: str) -> bytes:
    size = path.stat().st_size
    if size > max_bytes:
        raise BadRowError(_named(f"image too large ({size} bytes, limit {max_bytes})", url))
    return path.read_bytes()


def _named(reason: str, url: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in url)
    shown = shown if len(shown) <= 120 else shown[:117] + "..."
    return f"{reason}: {shown}"
