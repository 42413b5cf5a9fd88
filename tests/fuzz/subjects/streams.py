"""Streamed answers: whatever events come, and wherever they are cut, the client gets a grammatical stream
or a failure that another attempt can make good.

An input is the name of a target, what the client wants, and the sizes of the pieces, on one line; below
it, the bytes that come.
"""

from __future__ import annotations

import re

from mitmproxy import http

from claude_route.dialects import emitter
from claude_route.proxy import bodies
from tests import strict_client
from tests.fuzz import answering
from tests.fuzz import surroundings

KINDS: dict[str, bodies.Wanted] = {"stream": "stream", "whole": "whole"}

GROWTH = 40
"""How many bytes the client may get for one of the provider's. The most is for empty deltas, which become
events with names and indexes."""

ROOM = 4000
"""And for the whole, the events around."""

PINGS = re.compile(b"(?:%b)++" % re.escape(emitter.PING))


def check(data: bytes) -> None:
    first, _, wire = data.partition(b"\n")
    words = first.decode("latin-1").split()
    target = surroundings.TARGETS.get(words[0] if words else "", surroundings.TARGETS["openai"])
    wants = KINDS.get(words[1] if len(words) > 1 else "", "stream")
    sizes = [int(word) for word in words[2:] if word.isascii() and word.isdigit()][:9] or [7]
    whole, cut = (
        answering.answer(head(), pieces, target, wants, is_broken="broken" in words)
        for pieces in ([wire], surroundings.cut(wire, sizes))
    )
    if target.provider.is_anthropic and wants == "whole":
        pass  # what comes behind the end is Anthropic's too, as far as it came with it
    elif whole.reply.good and cut.reply.good:
        # Of comments that arrive at once, many are one event, and so one ping.
        in_one, in_pieces = (PINGS.sub(emitter.PING, made.client) for made in (whole, cut))
        assert in_one == in_pieces, "depends on where it is cut"
    else:
        assert bool(whole.client) == bool(cut.client), "an answer depends on where it is cut"
    assert len(whole.client) <= GROWTH * len(wire) + ROOM, "grows"
    if not cut.reply.good:
        return
    if wants == "whole":
        message = surroundings.json_of(cut.client, "answer")
        assert isinstance(message["content"], list)
    elif not target.provider.is_anthropic:  # nothing of whose is repaired
        message = strict_client.check([cut.client])
        assert ("error" in message) == bool(cut.reply.error)
    _ = cut.reply.usage, cut.reply.output, cut.reply.message_id


def head() -> http.Response:
    response = http.Response.make(200, b"", {"content-type": "text/event-stream"})
    del response.headers["content-length"]
    return response
