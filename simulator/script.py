"""The answers that a test has scripted, and which of them is next."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from simulator import answers
from simulator.recorded import Predicate
from simulator.recorded import Recorded


class Script:
    """Rules come before the queue, the newest first. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[answers.Answer] = deque()
        self._rules: list[tuple[Predicate, answers.Answer]] = []
        self.default = answers.Answer()

    def __len__(self) -> int:
        """Answers still in the queue."""
        with self._lock:
            return len(self._queue)

    def append(self, *scripted: answers.Answer) -> None:
        with self._lock:
            self._queue.extend(scripted)

    def when(self, predicate: Predicate, answer: answers.Answer) -> None:
        with self._lock:
            self._rules.insert(0, (predicate, answer))

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()
            self._rules.clear()
            self.default = answers.Answer()

    def rule(self, recorded: Recorded) -> answers.Answer | None:
        with self._lock:
            rules = tuple(self._rules)
        return next((answer for holds, answer in rules if _holds(holds, recorded)), None)

    def take(self) -> answers.Answer | None:
        with self._lock:
            return self._queue.popleft() if self._queue else None

    def load(self, value: Any) -> None:
        """Adds what a JSON object says.

        `answers`: a list for the queue; `when`: a list of objects with `answer` and any of `model`,
        `credential`, `path` (a part of it) to match; `default`: an answer; `clear`: true to begin
        with. Raises msgspec.ValidationError, KeyError.
        """
        queue = [answers.from_json(one) for one in value.get("answers", ())]
        rules = [(_matcher(one), answers.from_json(one["answer"])) for one in value.get("when", ())]
        default = answers.from_json(value["default"]) if "default" in value else None
        if value.get("clear"):
            self.clear()
        self.append(*queue)
        for predicate, answer in rules:
            self.when(predicate, answer)
        if default is not None:
            self.default = default


def _holds(predicate: Predicate, recorded: Recorded) -> bool:
    try:
        return predicate(recorded)
    except (LookupError, TypeError, ValueError):
        # A predicate written for one kind of body may raise for the others.
        return False


def _matcher(rule: dict[str, Any]) -> Predicate:
    model, credential, path = rule.get("model"), rule.get("credential"), rule.get("path", "")
    return lambda recorded: (
        (model is None or recorded.model == model)
        and (credential is None or recorded.credential == credential)
        and path in recorded.path
    )
