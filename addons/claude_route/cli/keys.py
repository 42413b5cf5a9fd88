"""`claude-route key`: generates a key for a client."""

from __future__ import annotations

import hashlib
import re
import secrets

from claude_route.profile import clients

PREFIX = "cr-"
"""Marks a key as ours, for people and for tools that scan for leaked keys."""

BYTES = 32

PLAIN = re.compile(r"[A-Za-z].*")
WORDS = ("null", "true", "false", "yes", "no", "on", "off")


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
    if name == clients.SHARED or not clients.NAME.fullmatch(name):
        raise ValueError(f"expected {clients.EXPECTED_NAME}, got {name!r}")
    return f"""\
The key of {name}, which is not shown again:

    {key}

The lines for the profile, under which its limits can stand (docs/team.md):

    clients:
      {_quoted(name)}:
        key: {fingerprint(key)}"""


def _quoted(name: str) -> str:
    """In YAML, where some names are numbers or other values."""
    return name if PLAIN.fullmatch(name) and name.lower() not in WORDS else f'"{name}"'
