from __future__ import annotations

from claude_route.pages import asking
from claude_route.pages.sessions import growing
from tests.unit.pages.sessions import examples


def test_entry() -> None:
    kept = examples.session()
    session = kept.book.session(examples.SESSION)
    assert session
    running = kept.flows["f2"].flow.copy()
    running.id = "f9"
    assert running.response
    running.response.headers["content-type"] = "text/event-stream"
    running.response.raw_content = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","content":[]}}\n\n'
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"So f"}}\n\n'
    )
    made = growing.entry(
        asking.Kept(running, target="zai/glm-5"), examples.SESSION, session.entries, 1100.0
    )
    assert made.turn.text == "So f"
    assert made.turn.target == "zai/glm-5"
    assert made.before
    assert made.before.flow == "f2"
    assert made.diff.new == 0


def test_nothing_has_come_yet() -> None:
    kept = examples.session()
    running = kept.flows["f1"].flow.copy()
    running.response = None
    running.request.raw_content = b"no json"
    made = growing.entry(asking.Kept(running), "other", (), 0.0)
    assert (made.turn.answer, made.turn.model, made.before) == ((), "", None)
