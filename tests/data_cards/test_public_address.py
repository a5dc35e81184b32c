"""Only public addresses are connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadRowError
from data_cards.public_address import is_public, place_of, system_resolve

V4 = st.ip_addresses(v=4)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "203.0.113.9",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "64:ff9b::7f00:1",
        "fe80::1%eth0",
    ],
)
def test_what_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"])
def test_what_is_public(address):
    assert is_public(address)


@given(V4)
def test_an_address_in_another_coat_is_no_more_public_than_itself(ip):
    number = int(ip)
    coats = [
        f"::ffff:{ip}",
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
    ]
    for coat in coats:
        assert is_public(str(ip)) or not is_public(coat)
    if is_public(str(ip)):
        assert ip.is_global and not (ip.is_private or ip.is_multicast or ip.is_loopback)


@given(V4 | st.ip_addresses(v=6))
def test_a_permitted_network_is_let_through_and_nothing_beside_it(ip):
    own = ipaddress.ip_network(f"{ip}/{ip.max_prefixlen}")
    assert is_public(str(ip), [own])
    other = "127.0.0.1" if str(ip) != "127.0.0.1" else "127.0.0.2"
    assert not is_public(other, [own])


def resolved(*addresses):
    return lambda host, port: addresses


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "not http"),
        ("ftp://example.org/a", "not http"),
        ("gopher://example.org/", "not http"),
        ("//example.org/a", "not http"),
        ("http:///a", "no host"),
        ("http://user@example.org/a", "user name"),
        ("http://user:pw@example.org/a", "user name"),
        ("http://@example.org/a", "user name"),
        ("http://example.org:99999/a", "malformed"),
        ("http://[::1/a", "malformed"),
        ("http://example.org/a b", "blanks"),
        ("http://example.org\\@127.0.0.1/a", "blanks"),
        ("http://example.org/\r\nHost: x", "blanks"),
        ("http://example.org/" + "a" * 5000, "too long"),
    ],
)
def test_urls_that_are_refused_unresolved(url, reason):
    def never(host, port):
        raise AssertionError("resolved")

    with pytest.raises(BadRowError, match=reason):
        place_of(url, never)


def test_one_private_address_among_public_ones_is_enough():
    with pytest.raises(BadRowError, match="not in the public internet"):
        place_of("http://example.org/a", resolved("8.8.8.8", "10.0.0.1"))
    with pytest.raises(BadRowError, match="not known"):
        place_of("http://example.org/a", resolved())


def test_numbers_that_mean_loopback_are_refused_by_what_they_resolve_to():
    for host in ("2130706433", "0x7f000001", "127.1", "localhost"):
        with pytest.raises(BadRowError, match=r"not in the public internet|not known"):
            place_of(f"http://{host}/a", system_resolve)


def test_a_place():
    place = place_of("https://Example.ORG/a/b?c=d#e", resolved("8.8.8.8", "8.8.8.8"))
    assert (place.host, place.port, place.addresses) == ("example.org", 443, ("8.8.8.8",))
    assert place.target == "/a/b?c=d"
