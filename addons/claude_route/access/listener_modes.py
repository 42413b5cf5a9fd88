"""Listeners by mitmproxy's `mode` option: the two that we open by default, on which addresses one listens, and
whether its clients can present a key.

https://docs.mitmproxy.org/stable/concepts/modes/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator

from mitmproxy.proxy import mode_specs

from claude_route.access import guard
from claude_route.access import loops

FORWARD_PORT = 8080
REVERSE_PORT = 4000
"""The ports of the default listeners."""

LOOPBACK = "127.0.0.1"

KEYED_SCHEMES = ("http", "https", "http3")
"""Those of a reverse listener whose requests we see."""


def asks_for_keys(mode: mode_specs.ProxyMode) -> bool:
    """Whether clients can present a key at a listener of this mode."""
    if isinstance(mode, mode_specs.ReverseMode):
        return mode.scheme in KEYED_SCHEMES
    return isinstance(mode, mode_specs.RegularMode | mode_specs.UpstreamMode)


def keyless(modes: Iterable[str], listen_host: str) -> list[guard.Keyless]:
    """The listeners whose modes can't ask for a key."""
    return [
        guard.Keyless(
            spec.full_spec.partition("@")[0],
            spec.listen_host(listen_host).strip("[]"),
            spec.transport_protocol == mode_specs.TCP,
        )
        for spec in _specs(modes)
        if not asks_for_keys(spec)
    ]


def upstream_proxies(modes: Iterable[str]) -> list[tuple[str, int]]:
    """The proxies that `upstream` modes send everything to."""
    return [spec.address for spec in _specs(modes) if isinstance(spec, mode_specs.UpstreamMode)]


def listen_hosts(modes: Iterable[str], listen_host: str) -> list[str]:
    """The addresses that mitmproxy's `mode` option listens on. An empty one means every
    interface."""
    return [spec.listen_host(listen_host) for spec in _specs(modes)]


def default_modes(
    listen_host: str, listen_port: int | None, reverse_port: int = REVERSE_PORT
) -> list[str]:
    """The forward and the reverse listener. `--listen-host` applies to both, `--listen-port` only to
    the forward one."""
    reverse = f"reverse:https://api.anthropic.com@{reverse_port}"
    # With --listen-host mitmproxy has opened this one before it loads a script, so it stays as it is.
    forward = "regular" if listen_host else with_host("regular", "", listen_port or FORWARD_PORT)
    return [forward, with_host(reverse, listen_host, None)]


def with_host(mode: str, listen_host: str, listen_port: int | None) -> str:
    """A mode as mitmproxy's `mode` option has it, with the host that it lacks: that of `--listen-host`,
    or loopback, where mitmproxy would listen on every interface. An IPv6 address loses its brackets,
    which mitmproxy can't resolve."""
    spec = mode_specs.ProxyMode.parse(mode)
    port = spec.listen_port(listen_port)
    if port is None or spec.transport_protocol == mode_specs.UDP:
        return mode
    host = spec.custom_listen_host
    if host is None:
        if listen_host and spec.custom_listen_port is None:
            return mode
        host = listen_host or LOOPBACK
    elif host.strip("[]") == host:
        return mode
    name, at, _ = mode.rpartition("@")
    return f"{name if at else mode}@{host.strip('[]')}:{port}"


def allow_hosts(hosts: Iterable[str], modes: Iterable[str]) -> list[str]:
    """mitmproxy's `allow_hosts` for the hosts whose TLS we decrypt; it tunnels all others unread. The
    upstream of a reverse listener is always among them."""
    upstreams = [
        spec.address[0] for spec in _specs(modes) if isinstance(spec, mode_specs.ReverseMode)
    ]
    return [rf"^\[?{re.escape(host)}\]?:\d+$" for host in dict.fromkeys([*hosts, *upstreams])]


def listening(modes: Iterable[str], host: str, port: int | None) -> list[loops.Address]:
    """The addresses that mitmproxy's `mode` option listens on, given those of `--listen-host` and
    `--listen-port`."""
    pairs = ((spec.listen_host(host), spec.listen_port(port)) for spec in _specs(modes))
    return [(listen_host, listen_port) for listen_host, listen_port in pairs if listen_port]


def _specs(modes: Iterable[str]) -> Iterator[mode_specs.ProxyMode]:
    return map(mode_specs.ProxyMode.parse, modes)
