"""Signatures of thinking blocks: ours to make and to recognise, in Anthropic's form and another's.

Anthropic's are opaque base64 that only Anthropic can verify. Ours carry an HMAC, so that any
simulator with the same key knows its own, and what a block must still look like when it returns.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
from typing import NamedTuple

_FIELDS = struct.Struct(">2s8sBB32s16s32s64s")
FOREIGN = "glm-sig-"
_UNSHOWN = bytes(32)


class Bond(NamedTuple):
    """What a block of thinking is good for."""

    model: str
    prefix: bytes
    """A digest of what came before it, of 16 bytes."""


UNBOUND = Bond("", b"")


class Seal(NamedTuple):
    """What a signature says of its block."""

    kind: bytes
    """b"T" for thinking, b"R" for redacted thinking."""
    message: bytes
    """The same for all blocks of one answer."""
    place: int
    """Among the thinking blocks of its answer, from 0."""
    total: int
    digest: bytes
    bond: Bond

    def fits(self, text: str) -> bool:
        """Whether the text is what was signed; where none was shown, any is as good."""
        return self.digest in (_UNSHOWN, _digest(text))


class Signer:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(
        self, text: str | None, *, message: bytes, place: int, total: int, bond: Bond = UNBOUND
    ) -> str:
        """A signature for thinking that shows `text`, or no text (`display: omitted`)."""
        return self._seal(b"\x12T", text, message, place, total, bond)

    def redact(self, *, message: bytes, place: int, total: int, bond: Bond = UNBOUND) -> str:
        """The `data` of a redacted thinking block."""
        return self._seal(b"\x12R", None, message, place, total, bond)

    def read(self, signature: str) -> Seal | None:
        """None unless this key made it."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return None
        body, mac = raw[: _FIELDS.size], raw[_FIELDS.size :]
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        kind, message, place, total, digest, prefix, model, _ = _FIELDS.unpack(body)
        bond = Bond(model.rstrip(b"\0").decode(), prefix)
        return Seal(kind[1:], message, place, total, digest, bond)

    def foreign(self, provider: str, text: str) -> str:
        """A signature as other providers make them: short, not base64, and each has its own."""
        signed = f"{provider}\0{text}".encode("utf-8", "surrogatepass")
        return FOREIGN + hmac.digest(self._key, signed, "sha256").hex()[:16]

    def _seal(
        self, kind: bytes, text: str | None, message: bytes, place: int, total: int, bond: Bond
    ) -> str:
        digest = _UNSHOWN if text is None else _digest(text)
        # The real ones hold the whole thinking, encrypted; this filler stands for it.
        filler = os.urandom(64)
        bound = (bond.prefix, bond.model.encode())
        body = _FIELDS.pack(kind, message, place, total, digest, *bound, filler)
        return base64.b64encode(body + self._mac(body)).decode()

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
