from __future__ import annotations

import gzip

from claude_route.pages.sessions import bodies
from claude_route.sessions import tree
from tests.unit.pages.sessions import examples


def entry(kept: examples.Kept, flow: str) -> tree.Entry:
    found = kept.book.entry(flow)
    assert found
    return found


def test_read() -> None:
    kept = examples.session()
    second = entry(kept, "f2")
    read = bodies.read(second, kept.find)
    values = [read.value(block) for block in second.conversation]
    assert values[2] == examples.SYSTEM[0]
    assert values[-1] == examples.RESULT["content"][0]
    assert read.answer == (examples.ANSWERED, examples.AGENT_CALL)


def test_nothing_is_kept() -> None:
    kept = examples.session()
    second = entry(kept, "f2")
    assert bodies.read(second, lambda flow: None) == bodies.Bodies()
    flow = kept.flows["f2"].flow
    assert flow.response
    flow.request.data.content = flow.response.data.content = None
    read = bodies.read(second, kept.find)
    assert (read.is_request_kept, read.is_answer_kept, read.answer) == (False, False, ())
    assert read.value(second.conversation[0]) is None


def test_encoded_and_broken_bodies() -> None:
    kept = examples.session()
    request = kept.flows["f1"].flow.request
    whole = request.raw_content or b""
    request.headers["content-encoding"] = "gzip"
    request.raw_content = gzip.compress(whole)
    assert bodies.plain(request) == whole
    request.raw_content = b"no gzip"
    assert bodies.plain(request) == b""
    del request.headers["content-encoding"]
    request.raw_content = b"no json"
    assert bodies.read(entry(kept, "f1"), kept.find).contents == {}


def test_a_thread_is_read_from_earlier_requests() -> None:
    """The second request has only what is new."""
    kept = examples.Kept()
    kept.add("f1", 1000, [examples.ASKED], [examples.CALL], body={"thread": {"type": "create"}})
    thread = {"type": "continue", "previous_message_id": "msg_f1"}
    kept.add("f2", 1010, [examples.RESULT], [examples.ANSWERED], body={"thread": thread})
    first, second = entry(kept, "f1"), entry(kept, "f2")
    whole = bodies.read(second, kept.find, [first])
    values = [whole.value(block) for block in second.conversation if block.role != "tools"]
    assert values == [
        examples.SYSTEM[0],
        *examples.ASKED["content"],
        examples.CALL,
        *examples.RESULT["content"],
    ]
    alone = bodies.read(second, kept.find)
    assert None in [alone.value(block) for block in second.conversation]
