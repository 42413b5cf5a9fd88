"""Hosts in a profile, and the URLs of what is neither a provider nor a database: `intercept`,
`upstream_proxy`, `otlp`.

Each reader raises ValueError: `<key path>: expected <what>, got <repr>`, without a URL that may have a
password.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from typing import TypeGuard

from claude_route.profile import values
from claude_route.text import urls

HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def is_host(text: str) -> bool:
    """Whether a lower-case text is a host name or an IP address, IPv6 without brackets."""
    if HOST.fullmatch(text):
        return True
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def host(at: values.Value) -> str:
    expected = "a host name without scheme, port or path"
    name = at.text(expected=expected).lower()
    if not is_host(name):
        raise at.error(expected)
    return name


def proxy(at: values.Value) -> str | None:
    """The URL of a proxy on the way to providers, which may have a password; None if there is none."""
    expected = "the URL of an http or https proxy: http://user:password@host:port"
    url = at.text("", expected=expected, secret=True).strip()
    if not url:
        return None
    parts = urls.split(url)
    if not _is_server(parts) or parts.path not in ("", "/"):
        raise at.error(expected, secret=True)
    return url


def collector(at: values.Value) -> str:
    """The URL of an OpenTelemetry collector, to which a path is added; empty if there is none."""
    expected = "the URL of a collector: http://127.0.0.1:4318"
    url = at.text("", expected=expected)
    if url and not _is_server(urls.split(url)):
        raise at.error(expected, secret="@" in url)
    return url


def _is_server(parts: urllib.parse.SplitResult | None) -> TypeGuard[urllib.parse.SplitResult]:
    return (
        parts is not None
        and parts.scheme in ("http", "https")
        and is_host(parts.hostname or "")
        and parts.port != 0
        and not parts.query
        and not parts.fragment
    )
