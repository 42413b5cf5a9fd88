"""The ids of tool calls. Each API accepts some that others refuse, and an answer's ids return in every
later request."""

from __future__ import annotations

import base64
import hashlib
import re
import string

_FITS = re.compile(r"[a-zA-Z0-9_-]+")
_ENCODED = "route_"
_ALPHANUMERIC = string.digits + string.ascii_letters

LONGEST = 64
"""The longest id that all APIs accept, in characters; Mistral's excepted."""


def is_fit(id: str) -> bool:
    """Whether Messages accepts an id: `String should match pattern '^[a-zA-Z0-9_-]+$'`."""
    return _FITS.fullmatch(id) is not None


def encode(id: str) -> str:
    """A provider's id in characters that Messages accepts; decode() reverses it.

    Kimi's `functions.Read:0` needs this, and Kimi requires the same id back.
    """
    if is_fit(id):
        return id
    return _ENCODED + base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def decode(id: str) -> str:
    """The provider's own id if encode() made this one; any other id unchanged."""
    if not id.startswith(_ENCODED):
        return id
    code = id[len(_ENCODED) :]
    try:
        own = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
    except ValueError:
        return id
    return own if own and encode(own) == id else id


def short(id: str) -> str:
    """An id that every Messages provider accepts: like encode(), but a long one becomes a hash."""
    encoded = encode(id)
    return encoded if len(encoded) <= LONGEST else hashed(id, 40)


def hashed(id: str, length: int) -> str:
    """Letters and digits in place of an id that is too long for a provider, or has invalid characters."""
    number = int.from_bytes(hashlib.sha256(id.encode()).digest())
    letters = ""
    for _ in range(length):
        number, place = divmod(number, len(_ALPHANUMERIC))
        letters += _ALPHANUMERIC[place]
    return letters
