"""The content of a page, on the reverse listener and in mitmweb."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from typing import NamedTuple

import msgspec

STATIC = Path(__file__).parent / "static"

FILE_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


class Content(NamedTuple):
    media_type: str
    """For `content-type`."""
    body: bytes
    file: str = ""
    """The name under which a browser saves it; empty for what a browser shows."""

    @property
    def headers(self) -> dict[str, str]:
        found = {"content-type": self.media_type}
        if self.file:
            found["content-disposition"] = f'attachment; filename="{self.file}"'
        return found


def json(value: Any) -> Content:
    return Content("application/json", msgspec.json.encode(value))


def text(line: str) -> Content:
    return Content("text/plain; charset=utf-8", f"{line}\n".encode())


_STATIC = {
    path.name: Content(FILE_TYPES[path.suffix], path.read_bytes())
    for path in STATIC.iterdir()
    if path.suffix in FILE_TYPES
}
"""Read with the code, as `rendering.templates` are."""


def static(name: str) -> Content:
    """A static file that pages load."""
    return _STATIC[name]
