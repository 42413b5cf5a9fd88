"""Clients: the keys that they present, and the client that each key identifies."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import NamedTuple

from claude_route import targets
from claude_route.access import addresses
from claude_route.profile import clients as profile_clients

KEY_HEADER = "x-litellm-api-key"
MODE_HEADER = "x-claude-token-mode"

KEY_AND_HEADER = re.compile(r"(.*?),\s*([\w-]+)\s*:(.*)", re.DOTALL)
"""What Claude Code sends for `x-litellm-api-key: TOKEN, name: value`. A token may contain a comma."""

type KeyKind = Literal["header", "proxy password", "bearer", "x-api-key", "basic"]
"""Where a client presents its key: in `x-litellm-api-key`, as the password in `HTTPS_PROXY`, where
Claude Code has its credential (`ANTHROPIC_AUTH_TOKEN`, `ANTHROPIC_API_KEY` or both by `apiKeyHelper`), or
in HTTP's basic authentication, as browsers do."""


@dataclass(frozen=True)
class Key:
    """A key that a client presents, whether or not it is valid."""

    secret: str = field(repr=False)
    kind: KeyKind


@dataclass(frozen=True)
class Client:
    """The client that a valid key identifies."""

    name: str
    """The key's owner: `shared` for PROXY_STATIC_TOKEN and PROXY_STATIC_TOKEN_NEXT, which many may use."""
    key_kind: KeyKind
    entry: profile_clients.Client | None = None
    """What the profile says about a client that it names."""

    @property
    def is_admin(self) -> bool:
        """Whether it sees the usage of all clients, rather than its own."""
        return self.entry is None or self.entry.is_admin

    def may_ask(self, model: str) -> bool:
        return self.entry is None or self.entry.may_ask(model)


def entry(client: Client | None) -> profile_clients.Client | None:
    """What the profile says about a client; None for one that it doesn't name."""
    return client.entry if client else None


def own_name(client: Client | None) -> str:
    """Empty for one that the profile doesn't name."""
    named = entry(client)
    return named.name if named else ""


class Presented(NamedTuple):
    """The contents of our own headers in a request."""

    key: str | None
    mode: targets.TokenMode | None
    """The token mode that the client asks for; None: the profile's mode."""


def presented(key: str | None, mode: str | None) -> Presented:
    """Read the two headers, or the one that holds both as `TOKEN, x-claude-token-mode: MODE`.

    Raises:
        ValueError: the mode is neither `rotate` nor `passthrough`.
    """
    if key is not None:
        if both := KEY_AND_HEADER.fullmatch(key):
            key, name, value = both.groups()
            if name.lower() == MODE_HEADER and mode is None:
                mode = value
        key = bare(key)
    return Presented(key or None, parse_mode(mode))


def bare(value: str) -> str:
    """A header's value without `Bearer` before it."""
    scheme, _, rest = value.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else value.strip()


def parse_mode(mode: str | None) -> targets.TokenMode | None:
    match (mode or "").strip().lower():
        case "":
            return None
        case "rotate":
            return "rotate"
        case "passthrough":
            return "passthrough"
        case _:
            raise ValueError(f"{MODE_HEADER}: expected rotate or passthrough")


def whose(client: Client | None, peer: Sequence[Any] | None) -> str:
    """By what the requests of one client are told from those of others: its name or, without a key of its own, its
    address. `peer` is that of its connection."""
    # A client with a key of its own may come from as many addresses as it likes.
    address = addresses.neighbours(peer[0]) if peer and not entry(client) else ""
    return f"{client.name if client else ''}@{address}"


def is_key(candidate: str | None, key: str) -> bool:
    """Compare a client's key in constant time."""
    if not candidate or not key:
        return False
    # mitmproxy decodes header values that aren't UTF-8 to surrogates.
    return hmac.compare_digest(
        candidate.encode("utf-8", "surrogateescape"), key.encode("utf-8", "surrogateescape")
    )


def basic_password(authorization: str | None) -> str | None:
    """The password of `Basic base64(user:password)`, RFC 7617. We ignore the user name."""
    return basic_pair(authorization)[1] or None


def basic_pair(authorization: str | None) -> tuple[str, str]:
    """The user name and the password; both are empty if there are none."""
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = decoded.decode("utf-8", "surrogateescape").partition(":")
    return user, password


_NO_LOGIN = re.compile(
    r"(any(thing)?|change[-_ ]?me|dummy|empty|fake|foo|local|no[-_ ]?(auth|key|login|token)|none|null"
    r"|not?[-_ ]?(needed|used|required|set)|ollama|lm-?studio|llama|placeholder|proxy|secret|sk-(1234|dummy|fake"
    r"|none|test|x+)|test(ing)?|token|unused|your[-_ ].*|x+|<.*>|\$.*)[-_ ]?(key|token|value|\d*)",
    re.IGNORECASE,
)
"""What people write where Claude Code wants some credential, and they have none. No provider has keys
like these."""

SHORTEST_LOGIN = 8
"""Characters."""

_LONGEST_TEXT = 200
"""Characters. Whatever is longer isn't what people write there."""


def is_login(credential: str | None) -> bool:
    """Whether the value of an `authorization` or `x-api-key` header may be a credential of the client's
    own: not text that only stands there because Claude Code requires some."""
    text = bare(credential or "")
    if len(text) > _LONGEST_TEXT:
        return True
    return len(text) >= SHORTEST_LOGIN and not _NO_LOGIN.fullmatch(text)
