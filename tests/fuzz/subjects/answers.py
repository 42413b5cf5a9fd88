"""Whole answers, errors, and everything that is neither: the client gets a message, a count, a stream, or
an error as Anthropic has them.

An input is the name of a target, what the client wants, the status, the content type and the content
encoding, on one line; below it, the body that comes.
"""

from __future__ import annotations

from mitmproxy import http

from claude_route.dialects import registry
from claude_route.proxy import bodies
from claude_route.proxy import contract
from tests import strict_client
from tests.fuzz import answering
from tests.fuzz import surroundings

KINDS: dict[str, bodies.Wanted] = {"stream": "stream", "whole": "whole", "count": "count"}


def check(data: bytes) -> None:
    first, _, body = data.partition(b"\n")
    words = [*first.decode("latin-1").split(), *[""] * 5]
    target = surroundings.TARGETS.get(words[0], surroundings.TARGETS["openai"])
    wants = KINDS.get(words[1], "whole")
    if wants == "count" and not registry.of(target.provider).counts_tokens:
        wants = "whole"
    status = int(words[2]) if words[2] in STATUSES else 200
    head = http.Response.make(status, b"", {"content-type": words[3] or "application/json"})
    if words[4]:
        head.headers["content-encoding"] = words[4]
    for is_checked in (False, True)[: 1 if target.provider.is_anthropic else 2]:
        outcome = answering.answer(
            head.copy(), [body[:9], body[9:]], target, wants, is_checked=is_checked
        )
        if outcome.reply.failure:
            fail(outcome.reply.failure, target.provider.name)
        elif outcome.reply.good:
            check_answer(outcome.client, wants, is_anthropic=target.provider.is_anthropic)
        _ = outcome.reply.usage, outcome.reply.message_id


STATUSES = {
    *("200", "201", "204", "301", "400", "401", "402", "403", "404", "405", "408", "409", "413"),
    *("418", "422", "429", "499", "500", "502", "503", "504", "520", "529", "599"),
}


def check_answer(body: bytes, wants: bodies.Wanted, *, is_anthropic: bool) -> None:
    if wants == "count":
        count = surroundings.json_of(body, "count")["input_tokens"]
        assert isinstance(count, int) and not isinstance(count, bool)
    elif wants == "whole":
        message = surroundings.json_of(body, "answer")
        assert isinstance(message["content"], list)
    elif not is_anthropic:
        strict_client.check([body])


def fail(failure: contract.Failure, name: str) -> None:
    """What the client gets if this attempt is the only one."""
    body = b'{"model":"%b","messages":[{"role":"user","content":"hi"}]}' % name.encode()
    asked = surroundings.exchange_for(surroundings.post(body), surroundings.ALONE)
    step = asked.begin()
    turn = 0
    while not isinstance(step, http.Response):
        turn += 1
        assert turn < 50
        step = asked.failed(failure)
    asked.closed(None)
    if name != "anthropic":
        surroundings.error_of(step)
