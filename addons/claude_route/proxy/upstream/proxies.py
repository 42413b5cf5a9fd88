"""Which proxy leads to an upstream: one that is configured, else the environment's.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are read as curl reads them, lower case first, but for
loopback addresses, which the environment's proxy never gets to see (as in Go): it could not reach them.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import re
import urllib.parse
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    scheme: str
    """`http` or `https`: how the proxy itself is spoken to."""
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> bytes | None:
        """The value of `Proxy-Authorization` (RFC 7617)."""
        if self.user is None:
            return None
        return b"Basic " + base64.b64encode(f"{self.user}:{self.password}".encode())

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class Exceptions:
    """What NO_PROXY lists."""

    everything: bool = False
    names: tuple[tuple[str, int | None], ...] = ()
    """A host that stands for its subdomains too, and the port it is meant for."""
    networks: tuple[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None], ...] = ()

    def __contains__(self, place: tuple[str, int]) -> bool:
        host, port = place
        if self.everything:
            return True
        if address := _address(host):
            return any(
                address.version == network.version and address in network and only in (None, port)
                for network, only in self.networks
            )
        host = host.lower().rstrip(".")
        return any(
            (host == name or host.endswith(f".{name}")) and only in (None, port)
            for name, only in self.names
        )


@dataclass(frozen=True)
class Rules:
    configured: Proxy | None = None
    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: Exceptions = Exceptions()

    def proxy(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy on the way to an upstream; None: there is none."""
        if (host, port) in self.exceptions:
            return None
        if self.configured:
            return self.configured
        if is_loopback(host):
            return None
        return self.https if scheme == "https" else self.http


def rules(environ: Mapping[str, str], configured: str | None = None) -> Rules:
    """What the environment says; a proxy that is configured comes before its proxies, and NO_PROXY
    before both. ValueError, which names the variable but never quotes it: it can hold a password."""
    return Rules(
        parse(configured) if configured else None,
        _first(environ, "HTTP_PROXY", "ALL_PROXY"),
        _first(environ, "HTTPS_PROXY", "ALL_PROXY"),
        exceptions(environ.get("no_proxy") or environ.get("NO_PROXY") or ""),
    )


def announcement(rules: Rules) -> Iterator[str]:
    """Which proxies are used; without their passwords."""
    if rules.configured:
        yield f"Upstream proxy:    {rules.configured} (upstream_proxy in the profile)"
        return
    if rules.https:
        yield f"Upstream proxy:    {rules.https} for https (HTTPS_PROXY in the environment)"
    if rules.http:
        yield f"Upstream proxy:    {rules.http} for http (HTTP_PROXY in the environment)"


def of_claude_code(host: str, port: int, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy that Claude Code asks for an http URL of this host: also where that is its own
    machine, and that of HTTPS_PROXY if there is no other. None if it asks none."""
    if (host, port) in exceptions(environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    names = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
    return next((environ[name] for name in names if environ.get(name)), None)


def _first(environ: Mapping[str, str], *names: str) -> Proxy | None:
    for name in names:
        if url := (environ.get(name.lower()) or environ.get(name) or "").strip():
            try:
                return parse(url)
            except ValueError as e:
                raise ValueError(f"{name}: {e}") from None
    return None


def parse(url: str) -> Proxy:
    """`http://user:password@host:port`, where only the host is needed. Raises ValueError."""
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:  # its text quotes what may be a password
        raise ValueError("expected the URL of a proxy") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"expected an http or https proxy, got one of {parts.scheme!r}")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("expected the URL of a proxy: scheme, host and port")
    return Proxy(
        parts.scheme,
        parts.hostname,
        _PORTS[parts.scheme] if port is None else port,
        None if parts.username is None else urllib.parse.unquote(parts.username),
        urllib.parse.unquote(parts.password or ""),
    )


def exceptions(text: str) -> Exceptions:
    """NO_PROXY: hosts, `.suffixes`, addresses, networks, each with a port or without, or `*`."""
    names, networks = [], []
    for entry in re.split(r"[\s,]+", text.strip()):
        if entry == "*":
            return Exceptions(everything=True)
        host, port = _host_and_port(entry)
        try:
            networks.append((ipaddress.ip_network(host, strict=False), port))
        except ValueError:
            if name := host.lower().removeprefix("*").strip("."):
                names.append((name, port))
    return Exceptions(False, tuple(names), tuple(networks))


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if match := re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*):(\d+)", entry):
        bracketed_host, its_port, host, port = match.groups()
        digits = its_port or port
        return (host if bracketed_host is None else bracketed_host), int(digits) if digits else None
    return entry, None


@functools.lru_cache(256)  # for each request, the same few are asked for
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    if address := _address(host):
        return address.is_loopback
    return host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(
        ".localhost"
    )


def bracketed(host: str) -> str:
    """As it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
