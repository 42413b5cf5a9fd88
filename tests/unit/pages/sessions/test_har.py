from __future__ import annotations

import json

from claude_route.pages.sessions import har
from tests.unit.pages.sessions import examples


def test_of() -> None:
    kept = examples.session()
    session = kept.book.session(examples.SESSION)
    assert session
    log = json.loads(har.of(session, kept.find))["log"]
    assert log["version"] == "1.2"
    first, second, _ = log["entries"]
    assert first["startedDateTime"] == "1970-01-01T00:16:40.000Z"
    assert first["time"] == sum(first["timings"].values()) == 1200
    assert json.loads(first["request"]["postData"]["text"])["model"] == "claude-opus-5-5"
    assert json.loads(second["response"]["content"]["text"])["content"][0] == examples.ANSWERED
    assert second["_claude_route"]["target"] == "zai/glm-5"


def test_without_bodies() -> None:
    kept = examples.session()
    session = kept.book.session(examples.SESSION)
    assert session
    entry = json.loads(har.of(session, lambda flow: None))["log"]["entries"][0]
    assert entry["request"]["url"] == har.NOT_KEPT
    assert entry["response"]["status"] == 200
    assert "postData" not in entry["request"]
    assert entry["comment"] == "explain the shop"
