"""Who may come in, by which door, and where they may go from there."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Sequence
from typing import Literal
from typing import NamedTuple

KEY_HEADER = "x-litellm-api-key"
MODE_HEADER = "x-claude-token-mode"

KEY_AND_HEADER = re.compile(r"(.*?),\s*([\w-]+)\s*:(.*)", re.DOTALL)
"""What Claude Code sends for `x-litellm-api-key: TOKEN, name: value`. A token may hold a comma."""

HOST_HEADER = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")

type TokenMode = Literal["rotate", "passthrough"]


class Presented(NamedTuple):
    """What a request says of itself in the headers that are ours."""

    key: str | None
    mode: TokenMode | None
    """How to choose a Claude token, where the client asks for other than the profile's mode."""


def presented(key: str | None, mode: str | None) -> Presented:
    """Read the two headers, or the one that holds both as `TOKEN, x-claude-token-mode: MODE`.

    Raises:
        ValueError: the mode is neither of the two.
    """
    if key is not None:
        if both := KEY_AND_HEADER.fullmatch(key):
            key, name, value = both.groups()
            if name.lower() == MODE_HEADER and mode is None:
                mode = value
        key = key.strip()
        if key[:7].lower() == "bearer ":
            key = key[7:].strip()
    return Presented(key or None, parse_mode(mode))


def parse_mode(mode: str | None) -> TokenMode | None:
    match (mode or "").strip().lower():
        case "":
            return None
        case "rotate":
            return "rotate"
        case "passthrough":
            return "passthrough"
        case _:
            raise ValueError(f"{MODE_HEADER}: expected rotate or passthrough")


def is_key(candidate: str | None, key: str) -> bool:
    """Whether a client's key is the right one, in a time that does not tell how close it was."""
    if not candidate or not key:
        return False
    # Header values that are no UTF-8 come as surrogates.
    return hmac.compare_digest(
        candidate.encode("utf-8", "surrogateescape"), key.encode("utf-8", "surrogateescape")
    )


def proxy_password(proxy_authorization: str | None) -> str | None:
    """The password of `Basic base64(user:password)`; the user name says nothing to us."""
    scheme, _, credentials = (proxy_authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(b":")[2].decode("utf-8", "surrogateescape") or None


def is_loopback(host: str) -> bool:
    """Whether an address that a connection came in on, or that we listen on, is this machine's."""
    if host == "localhost":
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def names_address(host_header: str | None) -> bool:
    """Whether a Host header names an IP address, or `localhost`: the only names that are not for
    whoever owns a domain to point at this machine."""
    match = HOST_HEADER.fullmatch(host_header or "")
    if match is None:
        return False
    name, address = match["name"], match["address"]
    if name and name.lower() == "localhost":
        return True
    try:
        ipaddress.IPv6Address(address) if address else ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def is_public(host: str) -> bool:
    """Whether an IP address is one that clients from other machines may have us connect to."""
    address = parse_address(host)
    return address is not None and address.is_global and not address.is_multicast


def parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # A scope (`fe80::1%eth0`) names an interface of this machine.
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or _nat64(address) or address
    return address


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address within 64:ff9b::/96, RFC 6052."""
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def check_listeners(hosts: Sequence[str], *, has_key: bool, is_open: bool) -> None:
    """Raises:
    ValueError: a listener would let other machines in, and nothing keeps them out.
    """
    for host in hosts:
        if not is_loopback(host) and not has_key and not is_open:
            raise ValueError(
                f"mode: expected a loopback address, got {host or '*'!r}: set PROXY_STATIC_TOKEN, "
                "or `open: true` in the profile, to let other machines in"
            )
