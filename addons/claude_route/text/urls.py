"""URLs as people see them."""

from __future__ import annotations

import urllib.parse


def shown(url: str) -> str:
    """Without user, password, query and fragment; without a scheme too, if the URL has none, as a proxy's
    in the environment may."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"//{url}")
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    if has_loose_login(url):
        rest = url.rpartition("@")[2]
        parts = urllib.parse.urlsplit(f"//{rest}")
    return f"{scheme}{parts.netloc.rpartition('@')[2]}{parts.path}"


def split(url: str) -> urllib.parse.SplitResult | None:
    """The parts of a URL; None if it isn't one, or has a port that isn't a number."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def has_loose_login(url: str) -> bool:
    """Whether a password seems to have a `/`, `?` or `#` that isn't written as `%2F`, `%3F` or `%23`: what
    reads the URL would take what precedes it for the host, and the rest for a path."""
    rest = url.partition("://")[2] or url
    login, at, _ = rest.rpartition("@")
    return bool(at) and ":" in login and any(mark in login.partition(":")[2] for mark in "/?#")
