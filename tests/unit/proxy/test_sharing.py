from __future__ import annotations

from claude_route.proxy import sharing
from claude_route.routing import rotation
from claude_route.routing import threads
from tests.clocks import Clock


class Store:
    def __init__(self) -> None:
        self.asked: list[sharing.Question] = []

    def is_due(self, question: sharing.Question) -> bool:
        return question.session == "due"

    async def ask(self, question: sharing.Question) -> None:
        self.asked.append(question)


async def test_without_a_store_nobody_is_asked() -> None:
    kept = threads.Threads()
    question = sharing.Question(
        rotation.Pool(clock=Clock()), "due", "m", kept, kept.thread(None, "", "", 0.0)
    )
    shared = sharing.Sharing()
    assert not shared.is_due(question)
    await shared.ask(question)
    shared.store = store = Store()
    assert shared.is_due(question)
    assert not shared.is_due(question._replace(session="other"))
    await shared.ask(question)
    assert store.asked == [question]
