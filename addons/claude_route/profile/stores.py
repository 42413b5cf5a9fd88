"""What a profile says about the store that instances share: `store`."""

from __future__ import annotations

import urllib.parse

from claude_route.profile import values
from claude_route.text import urls

SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
"""How URLs may begin, and what the library calls it."""

EXPECTED = "off, or a URL such as redis://:password@host:6379/0 or unix:///run/redis.sock?db=0"


def read(at: values.Value) -> str | None:
    """The URL; None for the default, empty for none.

    Raises:
        ValueError: `<key path>: expected <what>, got <repr>`.
    """
    if at.raw is None:
        return None
    if at.raw is False:  # YAML takes off for false
        return ""
    url = at.text(expected=EXPECTED, secret=True).strip()
    if url.lower() in ("off", ""):
        return ""
    if not _is_valid(url):
        raise at.error(EXPECTED, secret=True)
    scheme, _, rest = url.partition("://")
    return f"{SCHEMES.get(scheme.lower(), 'unix')}://{rest}"


def _is_valid(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    if parts.scheme == "unix":
        return len(parts.path) > 1 and not parts.hostname
    is_database = parts.path in ("", "/") or parts.path.removeprefix("/").isdecimal()
    is_whole = not urls.has_loose_login(url)
    return (
        parts.scheme in SCHEMES and bool(parts.hostname) and has_port and is_database and is_whole
    )
