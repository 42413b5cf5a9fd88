"""URLs as people see them."""

from __future__ import annotations

import urllib.parse


def shown(url: str) -> str:
    """Without user, password, query and fragment."""
    parts = urllib.parse.urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
