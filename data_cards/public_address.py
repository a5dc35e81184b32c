"""Which network addresses lie in the public internet, and what a URL's host resolves to."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from data_cards.errors import BadRowError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

_LONGEST = 4096
_BAD = re.compile(r"[\x00-\x20\x7f\\]")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Place:
    """An address that may be connected to.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The name (or address) as the URL writes it, for the header and the certificate.
        port: TCP port.
        addresses: What it resolved to, each one checked.
        target: Path and query.
    """

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]
    target: str


def is_public(address: str, permit: Sequence[Network] = ()) -> bool:
    """Whether an IP address lies in the public internet (or in a permitted network).

    Private, loopback, link-local, multicast, reserved, unspecified and carrier-grade NAT addresses
    do not; neither does an IPv6 address that stands for such an IPv4 address (mapped, 6to4,
    Teredo, NAT64).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip.version == network.version and ip in network for network in permit):
        return True
    for inner in _embedded(ip):
        if not is_public(str(inner)):
            return False
    hidden = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_unspecified
    special = ip.is_multicast or ip.is_reserved or getattr(ip, "is_site_local", False)
    return ip.is_global and not hidden and not special


def place_of(url: str, resolve: Resolve, permit: Sequence[Network] = ()) -> Place:
    """Check a URL and find the addresses behind it.

    Args:
        url: The address, absolute.
        resolve: Name and port to IP addresses.
        permit: Networks that are let through although they are not public.

    Raises:
        BadRowError: Not http or https, malformed, with a user or password in it, not resolvable,
            or one of the addresses is not public.
    """
    if len(url) > _LONGEST or _BAD.search(url):
        raise BadRowError("image URL is too long, or holds blanks or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadRowError("image URL is malformed") from None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise BadRowError(f"image URL is not http or https but {scheme[:20]!r}")
    if not host:
        raise BadRowError("image URL names no host")
    if parts.username is not None or parts.password is not None:
        raise BadRowError("image URL holds a user name or password")
    port = port or (443 if scheme == "https" else 80)
    try:
        name = host.encode("idna").decode("ascii") if not host.isascii() else host
        found = list(dict.fromkeys(resolve(name, port)))
    except (OSError, UnicodeError, ValueError):
        raise BadRowError(f"image host is not known: {host[:80]}") from None
    if not found:
        raise BadRowError(f"image host is not known: {host[:80]}")
    for address in found:  # one bad among them is enough: a name must not lead inside at times
        if not is_public(address, permit):
            raise BadRowError(f"image host is not in the public internet: {host[:80]}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(scheme, name, port, tuple(found), target)


def system_resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _embedded(ip: Address) -> list[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 address stands for."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [address for address in inner if address is not None]
