"""The providers that the simulator plays: Messages as Anthropic or as another, and Chat
Completions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from simulator import answers
from simulator import binding
from simulator import chat
from simulator import conversation
from simulator import faults
from simulator import foreign
from simulator import limits
from simulator import messages
from simulator import signatures
from simulator import strict
from simulator import strict_chat
from simulator import threads
from simulator.history import Problems
from simulator.recorded import Recorded
from simulator.strict import Refusal
from simulator.strict import first

Headers = Sequence[tuple[str, str]]
ORGANIZATION = "00000000-0000-4000-8000-000000000000"


class Dialect(Protocol):
    """`body` is decoded JSON, and has passed `unreadable` but for the two that refuse."""

    surrogates: bool
    """Whether JSON may have lone ones."""

    def headers(self, request_id: str) -> Headers:
        """The headers of every answer, including errors."""

    def unreadable(self, body: Any) -> Refusal | None:
        """What must be refused even if not strict."""

    def refusal(self, recorded: Recorded, body: Any, size: int) -> Refusal | None:
        """What is wrong with the request; `size` is the body's in bytes, decompressed."""

    def complete(self, recorded: Recorded, body: Any) -> Any:
        """The body with the part of the conversation that the provider has kept."""

    def answered(self, recorded: Recorded, body: Any, whole: dict[str, Any]) -> None:
        """`whole` is the answer to a complete body."""

    def turns(self, body: Any) -> list[conversation.Turn]: ...

    def allowance(self, recorded: Recorded) -> Headers:
        """What remains of the credential's quota after this answer."""

    def whole(
        self, body: Any, size: int, asked: conversation.Conversation, answer: answers.Answer
    ) -> dict[str, Any]:
        """The answer as JSON."""

    def events(
        self, body: Any, whole: dict[str, Any], answer: answers.Answer
    ) -> Iterable[faults.Event] | None:
        """The answer as a stream; None if none was requested."""

    def error(self, answer: answers.Answer, request_id: str) -> dict[str, Any]: ...

    def error_event(self, answer: answers.Answer, request_id: str) -> faults.Event: ...


class Messages:
    """Anthropic itself. `counts` is for count_tokens, which has the same requests."""

    surrogates = False

    def __init__(
        self, signer: signatures.Signer, kept: threads.Threads, *, counts: bool = False
    ) -> None:
        self._signer = signer
        self._threads = kept
        self._counts = counts
        self._served: Counter[str | None] = Counter()

    def headers(self, request_id: str) -> Headers:
        return [("request-id", request_id), ("anthropic-organization-id", ORGANIZATION)]

    def unreadable(self, body: Any) -> Refusal | None:
        return first(strict.shape(body))

    def refusal(self, recorded: Recorded, body: Any, size: int) -> Refusal | None:
        if size > strict.LIMIT:
            return Refusal(413, *answers.ERRORS[413])
        return (
            strict.credential(recorded)
            or self.unreadable(body)
            or strict.unknown_model(body)
            or self._threads.refusal(body, recorded.credential)
            or first(self._problems(recorded, self.complete(recorded, body)))
        )

    def _problems(self, recorded: Recorded, body: Any) -> Problems:
        return strict.problems(
            body,
            recorded.listed("anthropic-beta"),
            self._signer,
            version=recorded.header("anthropic-version") or "",
            counts=self._counts,
        )

    def complete(self, recorded: Recorded, body: Any) -> Any:
        return self._threads.whole(body, recorded.credential)

    def answered(self, recorded: Recorded, body: Any, whole: dict[str, Any]) -> None:
        if not self._counts:
            self._threads.answered(body, recorded.credential, whole)

    def turns(self, body: Any) -> list[conversation.Turn]:
        return messages.turns(body)

    def allowance(self, recorded: Recorded) -> Headers:
        """A subscription's five hours are good for a hundred answers."""
        if self._counts:
            return ()
        self._served[recorded.credential] += 1
        used = self._served[recorded.credential]
        now = time.time()
        if recorded.bearer is None:
            return limits.api_key(now=now, remaining=max(0, 4000 - used), limit=4000)
        hour = int(now) // 3600 * 3600
        return limits.unified(
            five_hour=min(used / 100, 0.99),
            seven_day=min(used / 1000, 0.99),
            five_hour_reset=hour + 5 * 3600,
            seven_day_reset=hour + 7 * 86400,
        )

    def whole(
        self, body: Any, size: int, asked: conversation.Conversation, answer: answers.Answer
    ) -> dict[str, Any]:
        if self._counts:
            return {"input_tokens": answer.usage.get("input_tokens", messages.estimate(size))}
        content = answer.content
        if content is None:
            content = conversation.reply(asked, messages.tools(body))
            if self._thinks(body):
                content = (answers.Thinking(conversation.THOUGHT), *content)
        return messages.message(body, size, self._signed(content, body), answer)

    def events(
        self, body: Any, whole: dict[str, Any], answer: answers.Answer
    ) -> Iterable[faults.Event] | None:
        if self._counts or body.get("stream") is not True:
            return None
        return messages.events(whole, answer.delta_size)

    def error(self, answer: answers.Answer, request_id: str) -> dict[str, Any]:
        return messages.error(answer, request_id)

    def error_event(self, answer: answers.Answer, request_id: str) -> faults.Event:
        return messages.error_event(answer, request_id)

    def _thinks(self, body: Any) -> bool:
        return messages.thinks(body)

    def _signed(self, content: Sequence[answers.Block], body: Any) -> list[dict[str, Any]]:
        shown, bond = messages.shown(body), binding.bond(body, len(body["messages"]))
        return messages.signed(content, self._signer, shown, bond)


class Foreign(Messages):
    """A provider other than Anthropic: it thinks unless thinking is disabled, and always shows it.

    Two with different names do not accept each other's signatures.
    """

    surrogates = True

    def __init__(
        self,
        signer: signatures.Signer,
        name: str,
        *,
        needs_key: bool,
        thinking_required: bool,
        counts: bool,
    ) -> None:
        super().__init__(signer, threads.Threads(), counts=counts)
        self._name = name
        self._needs_key = needs_key
        self._thinking_required = thinking_required

    def headers(self, request_id: str) -> Headers:
        return [("x-request-id", request_id)]

    def refusal(self, recorded: Recorded, body: Any, size: int) -> Refusal | None:
        required = self._thinking_required
        return (
            foreign.credential(recorded, needs_key=self._needs_key)
            or self.unreadable(body)
            or first(foreign.problems(body, self._signer, self._name, thinking_required=required))
        )

    def complete(self, recorded: Recorded, body: Any) -> Any:
        return body

    def answered(self, recorded: Recorded, body: Any, whole: dict[str, Any]) -> None:
        pass

    def allowance(self, recorded: Recorded) -> Headers:
        return ()

    def _thinks(self, body: Any) -> bool:
        return (body.get("thinking") or {}).get("type") != "disabled"

    def _signed(self, content: Sequence[answers.Block], body: Any) -> list[dict[str, Any]]:
        return foreign.signed(content, self._signer, self._name)


class Chat:
    """Chat Completions as OpenAI has it, with the reasoning that others add."""

    surrogates = True

    def __init__(self, *, needs_key: bool, reasoning_required: bool) -> None:
        self._needs_key = needs_key
        self._reasoning_required = reasoning_required

    def headers(self, request_id: str) -> Headers:
        return [("x-request-id", request_id)]

    def unreadable(self, body: Any) -> Refusal | None:
        return first(strict_chat.shape(body))

    def refusal(self, recorded: Recorded, body: Any, size: int) -> Refusal | None:
        required = self._reasoning_required
        return (
            foreign.credential(recorded, needs_key=self._needs_key)
            or self.unreadable(body)
            or first(strict_chat.problems(body, reasoning_required=required))
        )

    def complete(self, recorded: Recorded, body: Any) -> Any:
        return body

    def answered(self, recorded: Recorded, body: Any, whole: dict[str, Any]) -> None:
        pass

    def turns(self, body: Any) -> list[conversation.Turn]:
        return chat.turns(body)

    def allowance(self, recorded: Recorded) -> Headers:
        return ()

    def whole(
        self, body: Any, size: int, asked: conversation.Conversation, answer: answers.Answer
    ) -> dict[str, Any]:
        content = answer.content
        if content is None:
            content = conversation.reply(asked, chat.tools(body))
            if self._reasoning_required or chat.reasons(body):
                content = (answers.Thinking(conversation.THOUGHT), *content)
        return chat.completion(body, size, content, answer)

    def events(
        self, body: Any, whole: dict[str, Any], answer: answers.Answer
    ) -> Iterable[faults.Event] | None:
        if body.get("stream") is not True:
            return None
        options = body.get("stream_options") or {}
        return chat.chunks(whole, answer, usage=options.get("include_usage") is True)

    def error(self, answer: answers.Answer, request_id: str) -> dict[str, Any]:
        return chat.error(answer)

    def error_event(self, answer: answers.Answer, request_id: str) -> faults.Event:
        return chat.error_chunk(answer)
