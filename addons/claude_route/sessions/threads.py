"""Whole conversations, where a request only has what is new in a thread that Anthropic keeps."""

from __future__ import annotations

from claude_route.sessions import turns


class Conversations:
    """The conversations of a session, for the turns in order of time."""

    def __init__(self) -> None:
        self._after: dict[str, tuple[turns.Block, ...]] = {}
        """The conversation up to and with an answer, by the answer's id."""

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
        if turn.message and turn.thread:
            self._after[turn.message] = (*conversation, *turn.answer)
        return conversation


def messages(blocks: tuple[turns.Block, ...]) -> list[turns.Block]:
    return [block for block in blocks if block.role in ("user", "assistant")]
