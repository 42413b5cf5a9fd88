"""Changes what other providers left in a conversation to what Anthropic accepts.

Anthropic refuses a whole request, in each turn from then on, for one id of a call that another provider
made, or for one empty text. What Anthropic itself may have made stays as it is, and so do the user's
words: thinking is bound to them.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from claude_route.dialects import call_ids
from claude_route.dialects.messages import anthropic_blocks
from claude_route.dialects.messages import assistant_blocks
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson

_ANTHROPICS_ID = re.compile(r"toolu_[a-zA-Z0-9_-]+")

_LONGEST_LOOKED_AT = 256
"""Bytes of a user's message. Looking for empty text in the results of tools takes as long as reading the
request, and they come from the client, whom Anthropic would refuse them without a proxy, too."""

_BLANK_TEXT = re.compile(rb'"text"\s*+:\s*+"(?:\s|\\[nrtf])*+"')
"""What a blank text looks like, wherever it is. A match is only a reason to look closer."""

_NO_RESULT = "[The call has no result]"


def accepted(
    history: list[requests.Message], blocks: Sequence[list[assistant_blocks.Block]]
) -> list[requests.Message]:
    """The conversation as Anthropic accepts it; the same list if nothing has to change, and the same
    objects for the messages that don't. `blocks` are those of its messages.

    Raises:
        ValueError: a message isn't in Anthropic's form.
    """
    if _is_anthropics(history, blocks):
        return history
    changed = _Changes(history, blocks).messages
    is_same = all(new is old for new, old in zip(changed, history, strict=True))
    return history if is_same else changed


def _is_anthropics(
    history: list[requests.Message], blocks: Sequence[list[assistant_blocks.Block]]
) -> bool:
    """Whether nothing has to change. Quick, because it is asked about each request."""
    ids: set[str] = set()
    names: set[object] = set()
    for message, in_message in zip(history, blocks, strict=True):
        if not in_message:
            if _is_short(message) and _may_be_blank(message):
                return False
            continue
        is_plain = True
        for block in in_message:
            if block.type == "text":
                if is_blank(block.text) or block.citations is not rawjson.NULL:
                    return False
            elif block.type == "tool_use":
                if not isinstance(block.id, str) or block.id in ids:
                    return False
                ids.add(block.id)
                if _ANTHROPICS_ID.fullmatch(block.id) is None:
                    is_plain = False
                if not isinstance(block.name, str) or block.name not in names:
                    if not anthropic_blocks.is_name(block.name):
                        return False
                    names.add(block.name)
            elif block.type not in thinking.KINDS:
                return False
        if not is_plain and not anthropic_blocks.are_accepted(message.content):
            return False
    return True


def is_anthropics_call(id: object) -> bool:
    """Whether Anthropic may have given this id to a call of a client's tool."""
    return isinstance(id, str) and _ANTHROPICS_ID.fullmatch(id) is not None


def is_blank(text: object) -> bool:
    return not isinstance(text, str) or not text or text.isspace()


def _may_be_blank(message: requests.Message) -> bool:
    """Whether a message that isn't long seems to have a blank text, or nothing at all."""
    if message.role == "system":
        return False
    content = bytes(message.content)
    if not message.has_blocks:
        return requests.is_blank(message.content)
    return content == b"[]" or _BLANK_TEXT.search(content) is not None


def _is_short(message: requests.Message) -> bool:
    return len(memoryview(message.content)) <= _LONGEST_LOOKED_AT


class _Call(NamedTuple):
    """A call of the last step."""

    old: str
    new: str


class _Changes:
    """One pass over a conversation. `messages` is the result."""

    def __init__(
        self, history: list[requests.Message], blocks: Sequence[list[assistant_blocks.Block]]
    ) -> None:
        self.messages = list(history)
        self._blocks = blocks
        self._server_tools = anthropic_blocks.ServerTools(history, blocks)
        self._ids: set[str] = set()
        """The ids of calls so far, as Anthropic gets them."""
        self._numbers: dict[str, int] = {}
        """The last number that made a repeated id another."""
        # Ids that need no change keep it, wherever in the conversation they are.
        self._reserved = {
            block.id
            for block in itertools.chain.from_iterable(blocks)
            if block.type == "tool_use" and is_anthropics_call(block.id)
        }
        spoken = [n for n, message in enumerate(history) if message.role != "system"]
        waiting: list[_Call] = []
        for is_assistants, side in itertools.groupby(
            spoken, key=lambda n: history[n].role == "assistant"
        ):
            places = list(side)
            if is_assistants:
                waiting = [call for n in places for call in self._assistants(n)]
            else:
                self._users(places, waiting)
                waiting = []

    def _assistants(self, n: int) -> Iterator[_Call]:
        """Change one message. Returns its calls."""
        message, blocks = self.messages[n], self._blocks[n]
        if not message.has_blocks:
            self._fill(n)
            return
        raws = rawjson.decode(message.content, list[msgspec.Raw])
        changed: list[msgspec.Raw] = []
        for raw, block in zip(raws, blocks, strict=True):
            if block.type == "tool_use":
                old = block.id if isinstance(block.id, str) else ""
                call = _Call(old, self._unique(old))
                yield call
                changed.append(anthropic_blocks.call(raw, block, call.new))
            elif block.type in thinking.KINDS:
                changed.append(raw)
            elif block.type == "text":
                if not is_blank(block.text):
                    changed.append(self._server_tools.cited(raw, block))
            else:
                changed.append(self._server_tools.plain(raw, block))
        if _differ(changed, raws) or not raws:
            self._put(n, changed)

    def _unique(self, old: str) -> str:
        """The id for a call. The same in each request of a conversation, as the prompt cache requires."""
        new = old if is_anthropics_call(old) else call_ids.short(old)
        if new in self._ids or (new != old and new in self._reserved):
            for number in itertools.count(self._numbers.get(old, 1) + 1):
                new = call_ids.short(f"{old}_{number}")
                if new not in self._ids and new not in self._reserved:
                    self._numbers[old] = number
                    break
        self._ids.add(new)
        return new

    def _users(self, places: list[int], waiting: list[_Call]) -> None:
        """Change the user's messages after a step."""
        renamed = [call for call in waiting if call.old != call.new]
        open_calls: dict[object, deque[_Call]] = {}
        for call in waiting:
            open_calls.setdefault(call.old, deque()).append(call)
        answered: set[str] = set()
        for n in places:
            message = self.messages[n]
            if not message.has_blocks:
                self._fill(n)
            elif (
                renamed
                or self._server_tools.theirs
                or (_is_short(message) and _may_be_blank(message))
            ):
                answered.update(self._results(n, open_calls))
        unanswered = [call for call in renamed if call.new not in answered]
        if places and unanswered:
            self._answer(places[0], unanswered)

    def _results(self, n: int, open_calls: dict[object, deque[_Call]]) -> list[str]:
        """Give the results in a message the ids of their calls, which are taken from `open_calls`. Returns
        the new ids."""
        answered = []
        message = self.messages[n]
        place = f"messages[{n}].content"
        blocks = rawjson.decode(message.content, list[assistant_blocks.Block], place)
        raws = rawjson.decode(message.content, list[msgspec.Raw], place)
        changed = []
        for raw, block in zip(raws, blocks, strict=True):
            if block.type == "text" and is_blank(block.text):
                continue
            if block.type == "tool_result":
                id = anthropic_blocks.key(block.tool_use_id)
                if calls := open_calls.get(id):
                    call = calls.popleft()
                    answered.append(call.new)
                    raw = anthropic_blocks.result(raw, block, call.new)
                elif id in self._server_tools.theirs:
                    raw = anthropic_blocks.as_text(raw, block)
            changed.append(raw)
        if _differ(changed, raws) or not raws:
            self._put(n, changed)
        return answered

    def _answer(self, n: int, unanswered: list[_Call]) -> None:
        """Answer calls without a result, before everything else. Clients take calls with the same id
        for one."""
        message = self.messages[n]
        answers = [
            rawjson.encode({"type": "tool_result", "tool_use_id": call.new, "content": _NO_RESULT})
            for call in unanswered
        ]
        if message.has_blocks:
            rest = rawjson.decode(message.content, list[msgspec.Raw])
        else:
            rest = [rawjson.encode({"type": "text", "text": message.content})]
        self._put(n, answers + rest)

    def _fill(self, n: int) -> None:
        """Give a message that is an empty string a text."""
        if requests.is_blank(self.messages[n].content):
            self._put(n, [])

    def _put(self, n: int, blocks: list[msgspec.Raw]) -> None:
        message = self.messages[n]
        if not blocks and n == len(self.messages) - 1 and message.role == "assistant":
            # The last message may be empty: Anthropic continues it.
            return
        self.messages[n] = message.with_blocks(blocks)


def _differ(changed: list[msgspec.Raw], raws: list[msgspec.Raw]) -> bool:
    return len(changed) != len(raws) or any(
        new is not old for new, old in zip(changed, raws, strict=True)
    )
