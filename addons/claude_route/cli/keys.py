"""`claude-route key`: generates a key for a client."""

from __future__ import annotations

import hashlib
import re
import secrets

PREFIX = "cr-"
"""Marks a key as ours, for people and for tools that scan for leaked keys."""

BYTES = 32

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def make() -> str:
    return PREFIX + secrets.token_urlsafe(BYTES)


def fingerprint(key: str) -> str:
    """What a profile stores instead of a key. Needs no salt and no slow hash, because a random key of
    256 bits can't be guessed."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def text(name: str, key: str) -> str:
    """The text to print, once.

    Raises:
        ValueError: the name isn't allowed in a profile.
    """
    if not NAME.fullmatch(name):
        expected = "a name of letters, digits, `.`, `-` and `_`"
        raise ValueError(f"expected {expected}, got {name!r}")
    return f"""\
The key of {name}, which is not shown again. This version has one key, which all clients share. To
use this one, put the line into .env:

    PROXY_STATIC_TOKEN={key}

A later version will have a key for each client. Its profiles, unlike today's, will contain:

    clients:
      {name}:
        key: {fingerprint(key)}"""
