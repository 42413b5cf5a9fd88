"""Marks which provider made a thinking block, because providers reject the thinking of others.

Claude Code returns each block with its signature unchanged, but doesn't record who made it. So the
signatures of blocks from providers other than Anthropic get a tag as a prefix.
"""

from __future__ import annotations

import string

TAG = "route:"
ANTHROPIC = "anthropic"
KINDS = ("thinking", "redacted_thinking")

_SHORTEST = 64
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()


def mark(kind: str) -> str:
    """The key of the signature in a block of this kind."""
    return "data" if kind == "redacted_thinking" else "signature"


def tag(provider: str) -> str:
    """The prefix of the signatures in a provider's blocks."""
    return f"{TAG}{provider}:"


def untag(signature: str, provider: str) -> str:
    """The signature as the provider made it."""
    return signature.removeprefix(tag(provider))


def origin(kind: str, signature: str) -> str | None:
    """The name of the provider that made a block; None if it can't be determined."""
    if signature.startswith(TAG):
        return signature.removeprefix(TAG).partition(":")[0]
    if kind == "redacted_thinking" or _is_anthropics(signature):
        return ANTHROPIC
    return None


def _is_anthropics(signature: str) -> bool:
    """Whether Anthropic may have made the signature: it is base64 of at least 64 bytes."""
    wire = signature.encode()
    # b64decode(validate=True) takes four times as long, and a conversation may have megabytes.
    padding = wire.translate(None, _BASE64)
    return (
        padding in (b"", b"=", b"==")
        and wire.endswith(padding)
        and len(wire) % 4 == 0
        and len(wire) // 4 * 3 - len(padding) >= _SHORTEST
    )
