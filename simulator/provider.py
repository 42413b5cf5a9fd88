"""From a request to a planned answer: the path decides the dialect, the script the content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Literal

from simulator import answers
from simulator import conversation
from simulator import dialects
from simulator import faults
from simulator import messages
from simulator import pages
from simulator import recorded as requests
from simulator import scenarios
from simulator import script
from simulator import signatures
from simulator import strict
from simulator import threads

Role = Literal["anthropic", "provider"]

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
CHAT = "/chat/completions"
JSON = ("content-type", "application/json")
EVENTS = ("content-type", "text/event-stream; charset=utf-8")


class Provider:
    """`strict`: whether it refuses more than what it can't read. See Simulator for the rest."""

    def __init__(
        self,
        *,
        role: Role,
        strict: bool,
        needs_key: bool,
        reasoning_required: bool,
        signer: signatures.Signer,
        kept: threads.Threads | None = None,
    ) -> None:
        self._role = role
        self._needs_key = needs_key
        self._strict = strict
        self._reasoning_required = reasoning_required
        self._signer = signer
        self._threads = kept or threads.Threads()
        self._anthropic = dialects.Messages(signer, self._threads)

    def plan(self, recorded: requests.Recorded, scripted: script.Script) -> faults.Plan:
        path = recorded.bare_path
        reply = _Reply(recorded, self._dialect(path))
        answer = scripted.rule(recorded)
        if recorded.method == "POST" and path.endswith((MESSAGES, COUNT, CHAT)):
            if answer is None and not path.endswith(COUNT):
                answer = scripted.take()
            return self._success(reply, answer, scripted.default)
        if answer is not None and _fails(answer):
            return reply.failed(answer)
        page = pages.page(recorded.method, path)
        if page is None:
            return reply.failed(answers.failure(404, "Not found"))
        return reply.json(page, answer or answers.Answer())

    def _dialect(self, path: str) -> dialects.Dialect:
        required = self._reasoning_required
        if path.endswith(CHAT):
            return dialects.Chat(needs_key=self._needs_key, reasoning_required=required)
        counts = path.endswith(COUNT)
        if path.startswith("/provider/") or self._role == "provider":
            name = path.removesuffix(COUNT).removesuffix(MESSAGES)
            return dialects.Foreign(
                self._signer,
                name,
                needs_key=self._needs_key,
                thinking_required=required,
                counts=counts,
            )
        if counts:
            return dialects.Messages(self._signer, self._threads, counts=True)
        return self._anthropic

    def _success(
        self, reply: _Reply, answer: answers.Answer | None, default: answers.Answer
    ) -> faults.Plan:
        recorded, dialect = reply.recorded, reply.dialect
        if answer is not None and _fails(answer):
            return reply.failed(answer)
        try:
            content = recorded.content
            surrogates = dialect.surrogates or not self._strict
            body = requests.decode(content, surrogates=surrogates)
        except ValueError as e:
            message = f"The request body is not valid JSON: {e}"
            return reply.refused(strict.Refusal(400, "invalid_request_error", message))
        size = len(content)
        if self._strict:
            refusal = dialect.refusal(recorded, body, size)
        else:
            refusal = dialect.unreadable(body)
        if refusal is not None:
            return reply.refused(refusal)
        body = dialect.complete(recorded, body)
        asked = conversation.read(dialect.turns(body))
        if answer is None:
            answer = scenarios.named(body["model"], results=bool(asked.results)) or default
        if _fails(answer):
            return reply.failed(answer)
        whole = dialect.whole(body, size, asked, answer)
        dialect.answered(recorded, body, whole)
        events = dialect.events(body, whole, answer)
        if events is None and answer.error_at is not None:
            return reply.failed(answer)
        reply.headers += dialect.allowance(recorded)
        if events is None:
            return reply.json(whole, answer)
        if answer.error_at is not None:
            error = dialect.error_event(answer, reply.id)
            events = [*list(events)[: answer.error_at], error]
        return reply.stream(events, answer)


class _Reply:
    """The answer to one request, while it is being made."""

    def __init__(self, recorded: requests.Recorded, dialect: dialects.Dialect) -> None:
        self.recorded = recorded
        self.dialect = dialect
        self.id = messages.new_id("req")
        self.headers = list(dialect.headers(self.id))

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
        return self.json(self.dialect.error(answer, self.id), answer, status)

    def refused(self, refusal: strict.Refusal) -> faults.Plan:
        status, kind, message, code = refusal
        self.recorded.refused = message
        self.headers.append(("x-should-retry", "false"))
        details = {"error_code": code} if code else None
        return self.failed(
            answers.Answer(status=status, error=kind, message=message, details=details)
        )

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
    """Whether the answer doesn't depend on the request."""
    return answer.status != 200 or answer.body is not None or answer.before_head is not None
