"""What is known of a request that has ended: what the exchange has reported, or what its flow's labels say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import NamedTuple

from mitmproxy import http

from claude_route import responses
from claude_route.access import identity
from claude_route.access import live_secrets
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.sessions import misses
from claude_route.sessions import summaries
from claude_route.sessions import turns
from claude_route.watch import labels
from claude_route.watch import rows
from claude_route.watch.views import claude
from claude_route.watch.views import comments
from claude_route.wire import content_encoding

_PASSED_OVER = re.compile(r"(token \d+|\S+) (.*)", re.DOTALL)


@dataclass(eq=False)
class Asked:
    """What the exchange has reported about a request."""

    request: contract.RoutedRequest
    attempt: contract.Try | None = None
    """The latest."""
    is_answered: bool = False
    """Whether that attempt's answer was good."""
    progress: contract.Progress | None = None
    failed: list[turns.Failed] = field(default_factory=list)


class Ended(NamedTuple):
    """A request that has ended and waits for its summary."""

    wire: summaries.Wire
    request_encoding: str | None
    answer_encoding: str | None

    @property
    def size(self) -> int:
        return len(self.wire.request) + len(self.wire.answer)

    @property
    def is_plain(self) -> bool:
        """Whether it may be little work: a small body may be decoded to a large one."""
        return not (self.request_encoding or self.answer_encoding)


def describe(
    flow: http.HTTPFlow,
    found: labels.Labels,
    asked: Asked | None,
    dollars: misses.Dollars,
    loaded: Sequence[turns.Failed] = (),
) -> Ended:
    """What is known of a request that has ended. One from a file has only its labels."""
    sender = asked.request.identity if asked else identity.read(flow.request.headers.fields)
    attempt = asked.attempt if asked else None
    progress = asked.progress if asked else None
    response, began = flow.response, flow.request.timestamp_start
    content_type = response.headers.get("content-type", "") if response else ""
    is_answered = asked.is_answered if asked else found.state != "failed"
    reasons = (
        attempt.passed_over if attempt else filter(None, (found.passed_over or "").split(", "))
    )
    used = progress.usage if progress else None
    is_count = rows.is_count(flow)
    model = found.model or (asked.request.model if asked else rows.requested_model(flow))
    target = (attempt.target if attempt else found.target or "") if is_answered else ""
    used = used or (None if is_count else labelled_usage(found))
    wire = summaries.Wire(
        flow=flow.id,
        at=began,
        request=flow.request.raw_content or b"",
        answer=(response and response.raw_content) or b"",
        is_stream=content_type.startswith(claude.STREAM),
        session=(asked.request.session if asked else "") or sender.session,
        client=asked.request.client.name if asked and asked.request.client else "",
        agent=sender.agent,
        parent=sender.parent_agent,
        model=model[: turns.MAX_TEXT],
        target=target,
        token=(attempt.token if attempt else found.token or "") if is_answered else "",
        counts=is_count,
        check=(asked.request.check if asked else found.check) or "",
        used=used,
        cost=dollars(target, model, used) if used and target and not is_count else found.cost,
        first_byte=max(response.timestamp_start - began, 0)
        if response and response.timestamp_start
        else None,
        seconds=rows.seconds(flow),
        error=live_secrets.hide_text(why)
        if (why := rows.failure(flow, progress, in_full=True))
        else "",
        failed=tuple(asked.failed if asked else loaded),
        passed_over=tuple(map(passed_over, reasons)),
        compares=found.compares or "",
    )
    return Ended(
        wire,
        flow.request.headers.get("content-encoding"),
        response.headers.get("content-encoding") if response else None,
    )


def labelled_usage(found: labels.Labels) -> usage.Usage | None:
    """The tokens that a flow's labels have, for a flow whose answer wasn't kept."""
    if found.tokens_in is None:
        return None
    cached = found.tokens_cached or 0
    return usage.Usage(max(found.tokens_in - cached, 0), found.tokens_out or 0, cached)


def decoded(ended: Ended) -> summaries.Wire:
    """With bodies out of their content encodings; without those that can't be decoded."""

    def plain(body: bytes, encoding: str | None) -> bytes:
        if not encoding or not body:
            return body
        try:
            return content_encoding.whole(body, encoding, responses.MAX_BODY)
        except (ValueError, OverflowError):
            return b""

    if not (ended.request_encoding or ended.answer_encoding):
        return ended.wire
    return replace(
        ended.wire,
        request=plain(ended.wire.request, ended.request_encoding),
        answer=plain(ended.wire.answer, ended.answer_encoding),
    )


def failed(attempt: contract.FailedAttempt, flow: str = "") -> turns.Failed:
    return turns.Failed(
        attempt.attempt.target,
        comments.why(attempt),
        flow,
        attempt.attempt.token,
        comments.following(attempt.then),
        attempt.attempt.started,
        comments.words(attempt),
    )


def loaded_attempt(flow: http.HTTPFlow, found: labels.Labels) -> turns.Failed:
    """A failed attempt from a file."""
    began = flow.request.timestamp_start
    why = found.why or rows.failure(flow, None)
    return turns.Failed(
        found.target or "", why, flow.id, found.token or "", found.then or "", began
    )


def passed_over(reason: str) -> turns.PassedOver:
    """`token 1 rests 29 s`, `zai/glm-5 keeps failing`"""
    match = _PASSED_OVER.fullmatch(reason)
    return turns.PassedOver(*match.groups()) if match else turns.PassedOver("", reason)
