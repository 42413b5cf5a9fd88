"""What a profile says about the pool: `pool`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType

from claude_route import targets
from claude_route.profile import providers
from claude_route.profile import values

NAMED_TOKEN = re.compile(r"((?!sk-ant-)[A-Za-z0-9][A-Za-z0-9._@+-]{0,63})\s*=\s*(sk-ant-.+)")
"""A token of the pool with a name. Only Anthropic's begin like this: in any other, a `=` may be part of it."""

UNNAMED = re.compile(r"=\s*sk-ant-")
"""In a token: what precedes it was meant as a name, but can't be one."""


@dataclass(frozen=True)
class Pool:
    """The Claude tokens, and how to rotate them."""

    tokens: tuple[str, ...] = field(repr=False)
    mode: targets.TokenMode
    strategy: targets.Strategy
    cooldown: float
    """Seconds that a token rests if the provider gives no time."""
    spread: targets.Spread = "session"
    """What keeps one token with the strategy `session`: a whole session, or each of its agents."""
    names: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, hash=False
    )
    """The names of tokens that have one, by the token."""

    @property
    def rotates(self) -> bool:
        """Whether a request gets one of the tokens, unless it asks for its own credential."""
        return bool(self.tokens) and self.mode == "rotate"


def read(value: values.Value) -> Pool:
    """Raises:
    ValueError: `<key path>: expected <what>, got <repr>`, without the value of a token.
    """
    value.only("tokens", "mode", "strategy", "spread", "cooldown")
    mode = value["mode"].otherwise("${CLAUDE_TOKEN_MODE:-rotate}")
    tokens = _tokens(value["tokens"].otherwise("${CLAUDE_OAUTH_TOKENS:-}"))
    return Pool(
        tokens=tuple(tokens),
        mode=mode.choice("rotate", "passthrough", default="rotate", any_case=True),
        strategy=value["strategy"].choice(
            "session", "round-robin", "least-used", default="session"
        ),
        cooldown=value["cooldown"].seconds(60, may_be_zero=True),
        spread=value["spread"].choice("session", "agent", default="session"),
        names={token: name for token, name in tokens.items() if name},
    )


def _tokens(value: values.Value) -> dict[str, str]:
    """Tokens, each with its name, which is empty if it has none: `alice=sk-ant-…`."""
    tokens: dict[str, str] = {}
    for item in value.items() if isinstance(value.raw, list) else [value]:
        text = item.text(expected="tokens separated by commas", secret=True, unset_is_empty=True)
        for part in filter(None, map(str.strip, text.split(","))):
            named = NAMED_TOKEN.fullmatch(part)
            name, token = (named[1], named[2]) if named else ("", part)
            if UNNAMED.search(token):
                raise item.error(
                    "NAME=token, whose name has letters, digits and . _ @ + -", secret=True
                )
            if not providers.VISIBLE.fullmatch(token):
                raise item.error("tokens with only visible ASCII characters", secret=True)
            if name and name in tokens.values() and tokens.get(token) != name:
                raise item.problem(f"two tokens have the name {name}")
            tokens[token] = tokens.get(token) or name
    return tokens
