from __future__ import annotations

from claude_route.sessions import threads
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import blocks_of
from tests.unit.sessions.examples import turn


def labels(blocks: tuple[turns.Block, ...]) -> str:
    return " ".join(block.label for block in blocks)


FIRST = turn(
    thread="create", message="m1", blocks=blocks_of("t:r s:x u:1"), answer=blocks_of("a:2")
)


def test_a_thread_is_shown_whole() -> None:
    conversations = threads.Conversations()
    second = turn(
        thread="continue",
        continues="m1",
        message="m2",
        blocks=blocks_of("t:r s:x u:3"),
        answer=blocks_of("a:4"),
    )
    third = turn(thread="continue", continues="m2", message="m3", blocks=blocks_of("u:5"))
    shown = [labels(conversations.of(each)) for each in (FIRST, second, third)]
    assert shown == ["r x 1", "r x 1 2 3", "r x 1 2 3 4 5"]


def test_new_tools_replace_the_earlier_ones() -> None:
    conversations = threads.Conversations()
    conversations.of(FIRST)
    second = turn(thread="continue", continues="m1", blocks=blocks_of("t:w u:3"))
    assert labels(conversations.of(second)) == "w x 1 2 3"


def test_a_thread_whose_beginning_nobody_saw() -> None:
    second = turn(thread="continue", continues="m1", blocks=blocks_of("u:3"))
    assert labels(threads.Conversations().of(second)) == "3"


def test_without_a_thread_nothing_is_kept() -> None:
    conversations = threads.Conversations()
    conversations.of(turn(message="m1", blocks=blocks_of("u:1")))
    assert labels(conversations.of(turn(continues="m1", blocks=blocks_of("u:3")))) == "3"


def test_a_very_long_one_is_not_put_together() -> None:
    conversations = threads.Conversations()
    many = tuple(examples.block(str(n)) for n in range(threads.MAX_BLOCKS))
    conversations.of(turn(thread="create", message="m1", blocks=many))
    second = turn(thread="continue", continues="m1", blocks=blocks_of("u:new"))
    assert labels(conversations.of(second)) == "new"
