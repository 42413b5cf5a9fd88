"""From a request to a planned answer: whose rules apply, what is refused, what is said."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Literal

from simulator import answers
from simulator import conversation
from simulator import faults
from simulator import foreign
from simulator import limits
from simulator import messages
from simulator import pages
from simulator import recorded as requests
from simulator import scenarios
from simulator import script
from simulator import signatures
from simulator import strict

Role = Literal["anthropic", "provider"]
Headers = Sequence[tuple[str, str]]

JSON = ("content-type", "application/json")
EVENTS = ("content-type", "text/event-stream; charset=utf-8")
ORGANIZATION = "00000000-0000-4000-8000-000000000000"


class Provider:
    """`strict` is whether it refuses more than it cannot read; see Simulator for the rest."""

    def __init__(
        self, *, role: Role, strict: bool, reasoning_required: bool, signer: signatures.Signer
    ) -> None:
        self._role: Role = role
        self._strict = strict
        self._reasoning_required = reasoning_required
        self._signer = signer
        self._served: Counter[str | None] = Counter()

    def plan(self, recorded: requests.Recorded, scripted: script.Script) -> faults.Plan:
        path = recorded.bare_path
        role: Role = "provider" if path.startswith("/provider/") else self._role
        reply = _Reply(recorded, role)
        answer = scripted.rule(recorded)
        if recorded.method == "POST" and path.endswith(("/v1/messages", "/count_tokens")):
            counts = path.endswith("/count_tokens")
            if answer is None and not counts:
                answer = scripted.take()
            return self._messages(reply, answer, scripted.default, counts=counts)
        if answer is not None:
            return reply.failed(answer)
        page = pages.page(recorded.method, path)
        if page is None:
            return reply.failed(answers.failure(404, "Not found"))
        return reply.json(page, answers.Answer())

    def _messages(
        self,
        reply: _Reply,
        answer: answers.Answer | None,
        default: answers.Answer,
        *,
        counts: bool,
    ) -> faults.Plan:
        recorded = reply.recorded
        if answer is not None and _fails(answer):
            return reply.failed(answer)
        try:
            content = recorded.content
            body = requests.decode(content)
        except ValueError as e:
            return reply.refused(_invalid(f"The request body is not valid JSON: {e}"))
        refusal = self._refusal(reply, body, len(content), counts=counts)
        if refusal is not None:
            return reply.refused(refusal)
        if answer is None:
            now = conversation.read(messages.turns(body))
            answer = scenarios.named(body["model"], results=bool(now.results)) or default
        streamed = body.get("stream") is True and not counts
        if _fails(answer) or (answer.error_at is not None and not streamed):
            return reply.failed(answer)
        reply.headers += self._allowance(reply)
        if counts:
            tokens = answer.usage.get("input_tokens", messages.estimate(content))
            return reply.json({"input_tokens": tokens}, answer)
        foreign = reply.role == "provider"
        message = messages.answer(body, len(content), answer, self._signer, foreign=foreign)
        if not streamed:
            return reply.json(message, answer)
        events = list(messages.events(message, answer.delta_size))
        if answer.error_at is not None:
            events[answer.error_at :] = [messages.error_event(answer, reply.id)]
        return reply.stream(events, answer)

    def _refusal(
        self, reply: _Reply, body: Any, size: int, *, counts: bool
    ) -> strict.Refusal | None:
        recorded = reply.recorded
        if not self._strict:
            return _first(strict.shape(body))
        if reply.role == "provider":
            return (
                foreign.credential(recorded)
                or _first(strict.shape(body))
                or _first(
                    foreign.problems(body, self._signer, thinking_required=self._reasoning_required)
                )
            )
        if size > strict.LIMIT:
            kind, message = answers.ERRORS[413]
            return strict.Refusal(413, kind, message)
        return (
            strict.credential(recorded)
            or _first(strict.shape(body))
            or strict.unknown_model(body)
            or _first(
                strict.problems(
                    body, recorded.listed("anthropic-beta"), self._signer, counts=counts
                )
            )
        )

    def _allowance(self, reply: _Reply) -> Headers:
        """What is left of the credential's quota: each answer uses one part in a hundred."""
        if reply.role != "anthropic":
            return ()
        token = reply.recorded.credential
        self._served[token] += 1
        used = self._served[token]
        now = time.time()
        if reply.recorded.bearer is None:
            return limits.api_key(now=now, remaining=max(0, 4000 - used), limit=4000)
        hour = int(now) // 3600 * 3600
        return limits.unified(
            five_hour=min(used / 100, 0.99),
            seven_day=min(used / 1000, 0.99),
            five_hour_reset=hour + 5 * 3600,
            seven_day_reset=hour + 7 * 86400,
        )


class _Reply:
    """The answer to one request in the making."""

    def __init__(self, recorded: requests.Recorded, role: Role) -> None:
        self.recorded = recorded
        self.role = role
        self.id = messages.new_id("req")
        self.headers: list[tuple[str, str]] = [("request-id", self.id)]
        if role == "anthropic":
            self.headers.append(("anthropic-organization-id", ORGANIZATION))

    def json(self, value: Any, answer: answers.Answer, status: int = 200) -> faults.Plan:
        return self._plan(status, JSON, [faults.Event("", messages.encode(value))], answer)

    def stream(self, events: Iterable[faults.Event], answer: answers.Answer) -> faults.Plan:
        self.headers.append(("cache-control", "no-cache"))
        return self._plan(200, EVENTS, events, answer)

    def failed(self, answer: answers.Answer) -> faults.Plan:
        """The error that `answer` stands for, or its raw body."""
        if answer.body is not None:
            page = [faults.Event("", answer.body)]
            return self._plan(answer.status, ("content-type", "text/html"), page, answer)
        status = answers.error_status(answer)
        return self.json(messages.error(answer, self.id), answer, status)

    def refused(self, refusal: strict.Refusal) -> faults.Plan:
        status, kind, message = refusal
        self.recorded.refused = message
        self.headers.append(("x-should-retry", "false"))
        return self.failed(answers.Answer(status=status, error=kind, message=message))

    def _plan(
        self,
        status: int,
        kind: tuple[str, str],
        events: Iterable[faults.Event],
        answer: answers.Answer,
    ) -> faults.Plan:
        own = {name.lower() for name, _ in answer.headers}
        headers = [line for line in (kind, *self.headers) if line[0] not in own]
        if self.recorded.method == "HEAD":
            events = ()
        return faults.plan(status, [*headers, *answer.headers], events, answer)


def _fails(answer: answers.Answer) -> bool:
    """Whether the answer is the same whatever was asked."""
    return answer.status != 200 or answer.body is not None or answer.before_head is not None


def _first(problems: Iterable[str]) -> strict.Refusal | None:
    return next((_invalid(problem) for problem in problems), None)


def _invalid(message: str) -> strict.Refusal:
    return strict.Refusal(400, "invalid_request_error", message)
