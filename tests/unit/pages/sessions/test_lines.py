from __future__ import annotations

import json

from claude_route.pages.sessions import lines
from tests.unit.pages.sessions import examples


def test_of() -> None:
    kept = examples.session()
    session = kept.book.session(examples.SESSION)
    assert session
    first, *turns = map(json.loads, lines.of(session, kept.find).splitlines())
    assert (first["type"], first["id"]) == ("session", examples.SESSION)
    assert [turn["flow"] for turn in turns] == ["f1", "f2", "f3"]
    assert turns[1]["answer"][0] == examples.ANSWERED
    assert turns[1]["new"][-1]["role"] == "user"
    assert turns[1]["failed"][0]["then"] == "zai/glm-5"
    bare = [json.loads(line) for line in lines.of(session, lambda flow: None).splitlines()]
    assert "answer" not in bare[1]
