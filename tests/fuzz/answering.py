"""A provider's answer on its way to the client, from the bytes that come to the bytes that go."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from mitmproxy import http

from claude_route import targets
from claude_route.dialects import dialect
from claude_route.dialects import registry
from claude_route.dialects.chat import dialect as chat
from claude_route.dialects.messages import dialect as messages
from claude_route.dialects.messages import requests
from claude_route.proxy import bodies
from claude_route.proxy import contract
from claude_route.proxy import held
from claude_route.proxy import reply

REQUEST = requests.read(
    b'{"model":"m","stream":true,"stop_sequences":["END"],"messages":[{"role":"user","content":"hi"}],'
    b'"tools":[{"name":"Bash","input_schema":{"type":"object"}},{"name":"a.b","input_schema":{}}]}'
)

CALLS: dict[str, Callable[..., dialect.Call]] = {"anthropic": messages.call, "openai": chat.call}


class Outcome(NamedTuple):
    client: bytes
    """What the client has got."""
    reply: contract.Reply


def call(target: targets.Target) -> dialect.Call:
    """A call whose ids are 1, 2, 3 and so on."""
    ids = map(str, itertools.count(1))
    return CALLS[registry.of(target.provider).name](REQUEST, target, ids.__next__)


def answer(
    head: http.Response,
    pieces: Sequence[bytes],
    target: targets.Target,
    wants: bodies.Wanted,
    *,
    is_broken: bool = False,
    is_checked: bool = False,
) -> Outcome:
    """As `proxy.attempts` reads it: nothing of a failure has reached the client."""
    made: contract.Reply = reply.judge(head, call(target), wants=wants)
    if is_checked:
        made = held.Held(made)
    parts: list[bytes] = []
    for piece in pieces:
        parts.append(made.feed(piece))
        if made.failure:
            return Outcome(b"", made)
    parts.append(made.broken("connection lost") if is_broken else made.end())
    if isinstance(made, held.Held) and made.unjudged is not None:
        parts.append(made.judged(None))
    if made.failure or not made.good:
        return Outcome(b"", made)
    return Outcome(b"".join(parts), made)
