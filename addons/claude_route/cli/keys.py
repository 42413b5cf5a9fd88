"""`claude-route key`: a key for a client of ours."""

from __future__ import annotations

import hashlib
import re
import secrets

PREFIX = "cr-"
"""By which people, and tools that look for leaked keys, know one of ours."""

BYTES = 32

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def make() -> str:
    return PREFIX + secrets.token_urlsafe(BYTES)


def fingerprint(key: str) -> str:
    """What a profile holds in place of a key. No salt and no slow hash: a random key of 256 bits
    can't be guessed from it."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def text(name: str, key: str) -> str:
    """What is printed, once.

    Raises:
        ValueError: a profile could not hold this name.
    """
    if not NAME.fullmatch(name):
        expected = "a name of letters, digits, `.`, `-` and `_`"
        raise ValueError(f"expected {expected}, got {name!r}")
    return f"""\
The key of {name}, which is shown only this once:

    {key}

This version knows one key, which all clients share. To make it this one, put it into .env:

    PROXY_STATIC_TOKEN={key}

Keys by name are for a later version: profiles refuse `clients` today. The lines for it, which hold
a hash and not the key:

    clients:
      {name}:
        key: {fingerprint(key)}"""
