"""What a profile says about the store that instances share: `store`."""

from __future__ import annotations

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
    if not (url := at.url_or_off(EXPECTED)):
        return url
    if not _is_valid(url):
        raise at.error(EXPECTED, secret=True)
    scheme, _, rest = url.partition("://")
    return f"{SCHEMES.get(scheme.lower(), 'unix')}://{rest}"


def _is_valid(url: str) -> bool:
    parts = urls.split(url)
    if parts is None:
        return False
    if parts.scheme == "unix":
        return len(parts.path) > 1 and not parts.hostname
    is_database = parts.path in ("", "/") or parts.path.removeprefix("/").isdecimal()
    is_server = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    return is_server and is_database and not urls.has_loose_login(url)
