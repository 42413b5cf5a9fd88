"""URLs as people see them."""

from __future__ import annotations

import urllib.parse


def shown(url: str) -> str:
    """Without user, password, query and fragment; without a scheme too, if the URL has none, as a proxy's
    in the environment may."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"//{url}")
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    return f"{scheme}{parts.netloc.rpartition('@')[2]}{parts.path}"
