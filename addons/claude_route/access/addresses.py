"""IP addresses: which are this machine's, and which may clients make us connect to."""

from __future__ import annotations

import ipaddress
import re
import socket

_NOT_GLOBAL = tuple(
    map(
        ipaddress.ip_network,
        (
            # Of the machine's own network, though not every version of Python knows it.
            *(
                "192.0.0.0/24",
                "192.88.99.0/24",
                "64:ff9b:1::/48",
                "fec0::/10",
                "3fff::/20",
                "5f00::/16",
            ),
            # Azure's host answers there: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
            "168.63.129.16/32",
        ),
    )
)

_EMBEDDING = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("64:ff9b::/96", 0),  # RFC 6052
        ("::ffff:0:0:0/96", 0),  # RFC 2765
        ("::/96", 0),  # RFC 4291, 2.5.5.1
        ("2002::/16", 80),  # RFC 3056
    )
)
"""IPv6 networks whose addresses lead to an IPv4 address in them, so many bits from the right."""

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
    if address is None or any(address in network for network in _NOT_GLOBAL):
        return False
    return address.is_global and not address.is_multicast


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


def neighbours(host: str) -> str:
    """The addresses that whoever has this one may have as well: those of this machine, or an IPv6 network of 64
    bits. The address itself where there are no others, or where it is none."""
    address = parse_address(host)
    if address is None:
        return host
    if address.is_loopback:
        return "localhost"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address.packed, 64), strict=False))
    return str(address)


def parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # A scope (`fe80::1%eth0`) names an interface of this machine.
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or _embedded(address) or address
    return address


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.is_loopback or address.is_unspecified:
        return None
    for network, shift in _EMBEDDING:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None
