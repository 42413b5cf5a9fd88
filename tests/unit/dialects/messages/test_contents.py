from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects.messages import contents
from claude_route.dialects.messages import requests

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
DOCUMENT = {"type": "document", "source": {"type": "text", "data": "x"}}


def request(*content: Any, **fields: Any) -> requests.Request:
    messages = [{"role": "user", "content": part} for part in content]
    return requests.read(json.dumps({"model": "m", "messages": messages} | fields).encode())


def result(*content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(content)}


@pytest.mark.parametrize(
    ("asked", "what", "expected"),
    [
        (request([IMAGE]), "images", True),
        (request("Hi", [result(IMAGE)]), "images", True),
        (request([IMAGE]), "documents", False),
        (request([result({"type": "text", "text": "x"}, DOCUMENT)]), "documents", True),
        (request("Hi"), "images", False),
        # What only looks like one.
        (request('{"type": "image"}'), "images", False),
        (request([{"type": "tool_use", "id": "t", "name": "Draw", "input": IMAGE}]), "images", False),
        (request("Hi", tools=[{"name": "Draw", "input_schema": {"enum": [IMAGE]}}]), "images", False),
        (request([result("text only")]), "images", False),
        (request([{"type": "image", "content": {}}, 3]), "images", False),
        (request("Hi", output_config={"effort": "high"}), "effort", True),
        (request("Hi", output_config={"format": {}}), "structured_outputs", True),
        (request("Hi", output_config={"format": {}}), "effort", False),
        (request("Hi", output_config=None), "effort", False),
        (request("Hi", output_config=[]), "effort", False),
        (request("Hi"), "structured_outputs", False),
    ],
)  # fmt: skip
def test_has(asked: requests.Request, what: targets.Capability, expected: bool) -> None:
    assert contents.has(asked, what) is expected
