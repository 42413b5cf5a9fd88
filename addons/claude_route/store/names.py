"""What things are called in the store, where no secret may be.

Tokens have some 500 random bits, so that a digest of one tells nobody anything. It has a length of its own,
and no other program's digest of the same token is equal.
"""

from __future__ import annotations

import hashlib

PREFIX = "claude-route:1:"
"""Of all keys. The number changes with what they hold."""

CHANGED = f"{PREFIX}changed"
"""Which token changed at which count of changes."""

EPOCH = f"{PREFIX}epoch"
"""Another one tells that all else is gone."""

TURN = f"{PREFIX}turn"
"""The token that a new session got last."""

INSTANCE = f"{PREFIX}instance:"
"""Exists while the instance does."""

_PERSON = b"claude-route"


def digest(secret: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=16, person=_PERSON).hexdigest()


def token(name: str) -> str:
    """`name`: the token's digest."""
    return f"{PREFIX}token:{name}"


def session(session: str) -> str:
    return f"{PREFIX}session:{digest(session)}"


def thread(client: str, message_id: str) -> str:
    return f"{PREFIX}thread:{digest(f'{client}\0{message_id}')}"


def client(name: str) -> str:
    return f"{PREFIX}client:{name}"


def metrics(supervisor: str, worker: int) -> str:
    return f"{PREFIX}metrics:{supervisor}:{worker}"
