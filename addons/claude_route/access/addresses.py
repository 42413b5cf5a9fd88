"""IP addresses: which are this machine's, and which may clients make us connect to."""

from __future__ import annotations

import ipaddress
import re
import socket

HOST_HEADER = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")


def is_loopback(host: str) -> bool:
    """Whether an address on which a connection arrived, or on which we listen, is a loopback
    address."""
    if host == "localhost":
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def names_address(host_header: str | None) -> bool:
    """Whether a Host header is an IP address or `localhost`. The owner of any other name could
    point it at this machine."""
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


def is_global(host: str) -> bool:
    """Whether clients on other machines may make us connect to this IP address."""
    address = parse_address(host)
    return address is not None and address.is_global and not address.is_multicast


def is_own(host: str) -> bool:
    """Whether an IP address is one of this machine's, whatever its range. Only its own can be bound, and
    nothing is sent."""
    address = parse_address(host)
    if address is None:
        return False
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


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
