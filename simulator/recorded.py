"""A request as it arrived, and how it was answered."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import brotli  # type: ignore[import-untyped]
import msgspec
import zstandard


@dataclass(eq=False)
class Recorded:
    method: str
    path: str
    """With its query."""
    headers: list[tuple[str, str]] = field(repr=False)
    """In the order and case of the wire. HTTP/2's pseudo headers are left out, but for
    `:authority`."""
    body: bytes = field(repr=False)
    """The body as it was sent, compressed or not."""
    connection: int
    http: str
    """"1.1" or "2"."""
    time: float
    """When the whole request had arrived, by time.monotonic()."""
    status: int | None = None
    """Of our answer, once its headers are sent."""
    sent: int = 0
    """Pieces of our answer's body that were written."""
    refused: str | None = None
    """Why a strict provider refused it."""
    cancelled: float | None = None
    """Seconds after `time` at which the client disconnected before the answer was complete."""
    ended: float | None = None
    """Seconds after `time` at which its handling ended, in any way."""

    def header(self, name: str) -> str | None:
        """The value of the first header of that name."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def listed(self, name: str) -> list[str]:
        """The parts of a comma-separated header."""
        value = self.header(name) or ""
        return [part.strip() for part in value.split(",") if part.strip()]

    @property
    def bare_path(self) -> str:
        return self.path.partition("?")[0]

    @property
    def bearer(self) -> str | None:
        scheme, _, token = (self.header("authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    @property
    def credential(self) -> str | None:
        """The bearer token, else the API key."""
        return self.bearer or self.header("x-api-key")

    @property
    def content(self) -> bytes:
        """The body without its content-encoding. Raises ValueError."""
        return decoded(self.body, self.header("content-encoding"))

    @property
    def json(self) -> Any:
        """The body, decoded again at each call. Raises ValueError."""
        return decode(self.content)

    @property
    def model(self) -> str | None:
        try:
            body = self.json
        except ValueError:
            return None
        model = body.get("model") if isinstance(body, dict) else None
        return model if isinstance(model, str) else None


Predicate = Callable[[Recorded], bool]


def decode(content: bytes, *, surrogates: bool = True) -> Any:
    """JSON, lone surrogates let through or not. Raises ValueError."""
    try:
        return msgspec.json.decode(content)
    except RecursionError as e:
        raise ValueError("nested too deep") from e
    except msgspec.DecodeError:
        if not surrogates:
            raise
        return json.loads(content)


def decoded(body: bytes, encoding: str | None) -> bytes:
    """Raises ValueError."""
    for name in reversed((encoding or "").replace(" ", "").lower().split(",")):
        try:
            match name:
                case "" | "identity":
                    pass
                case "gzip" | "x-gzip":
                    body = zlib.decompress(body, zlib.MAX_WBITS | 16)
                case "deflate":
                    body = zlib.decompress(body)
                case "br":
                    body = brotli.decompress(body)
                case "zstd":
                    body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
                case _:
                    raise ValueError(f"content-encoding: expected one we know, got {name!r}")
        except (zlib.error, brotli.error, zstandard.ZstdError) as e:
            raise ValueError(f"content-encoding {name}: {e}") from e
    return body
