"""Whole conversations, where a request only has what is new in a thread that Anthropic keeps."""

from __future__ import annotations

from collections import OrderedDict

from claude_route.sessions import turns

MAX_BLOCKS = 4000
"""Of a conversation that is put together. A longer one is shown as far as the wire has it."""

MAX_ANSWERS = 100
"""After which a thread of the session may continue: its last ones, and those of its subagents."""


class Conversations:
    """The conversations of a session, for the turns in order of time."""

    def __init__(self) -> None:
        self._after: OrderedDict[str, tuple[turns.Block, ...]] = OrderedDict()
        """The conversation up to and with an answer, by the answer's id."""

    def copy(self) -> Conversations:
        copied = Conversations()
        copied._after = self._after.copy()
        return copied

    def of(self, turn: turns.Turn) -> tuple[turns.Block, ...]:
        """All blocks of a turn's conversation. What came before isn't known if the proxy didn't see it."""
        conversation = turn.blocks
        if turn.continues and (before := self._after.get(turn.continues)):
            # Tools and system may be missing too; if they are there, they replace the earlier ones.
            mine = {block.role for block in turn.blocks if block.role in ("tools", "system")}
            head = [
                block
                for role in ("tools", "system")
                for block in (turn.blocks if role in mine else before)
                if block.role == role
            ]
            conversation = (*head, *messages(before), *messages(turn.blocks))
        if len(conversation) > MAX_BLOCKS:
            return turn.blocks
        if turn.message and turn.thread:
            self._after[turn.message] = (*conversation, *turn.answer)
            if len(self._after) > MAX_ANSWERS:
                self._after.popitem(last=False)
        return conversation


def messages(blocks: tuple[turns.Block, ...]) -> list[turns.Block]:
    return [block for block in blocks if block.role in turns.MESSAGES]
