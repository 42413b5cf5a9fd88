from __future__ import annotations

import base64
import hashlib

import pytest

from claude_route.dialects.messages import thinking

OWN = base64.b64encode(bytes(64)).decode()


@pytest.mark.parametrize(
    "kind, signature, origin",
    [
        ("thinking", OWN, "anthropic"),
        ("thinking", base64.b64encode(bytes(range(256)) * 9).decode(), "anthropic"),
        ("thinking", base64.b64encode(bytes(65)).decode(), "anthropic"),
        ("thinking", base64.b64encode(bytes(66)).decode(), "anthropic"),
        ("thinking", base64.b64encode(bytes(63)).decode(), None),
        ("thinking", OWN[:-2], None),
        ("thinking", OWN[:-2] + "=A", None),
        ("thinking", OWN + "====", None),
        ("thinking", "=" + OWN[1:], None),
        ("thinking", OWN.replace("A", "-"), None),
        ("thinking", OWN + "\n\n\n\n", None),
        ("thinking", "é" * 44, None),
        ("thinking", hashlib.sha256(b"").hexdigest(), None),
        ("thinking", "glm-sig-8c1f", None),
        ("thinking", "", None),
        ("thinking", "route:zai:" + OWN, "zai"),
        ("thinking", "route:zai:", "zai"),
        ("thinking", "route:zai", "zai"),
        ("thinking", "route:kimi.2:a:b", "kimi.2"),
        ("redacted_thinking", "abc", "anthropic"),
        ("redacted_thinking", "", "anthropic"),
        ("redacted_thinking", "route:openrouter:abc", "openrouter"),
    ],
)
def test_origin(kind: str, signature: str, origin: str | None) -> None:
    assert thinking.origin(kind, signature) == origin


@pytest.mark.parametrize("signature", ["", "abc", "a:b", OWN])
def test_tag(signature: str) -> None:
    tagged = thinking.tag("zai") + signature
    assert tagged == f"route:zai:{signature}"
    assert thinking.origin("thinking", tagged) == "zai"
    assert thinking.untag(tagged, "zai") == signature


def test_a_tag_of_another_stays() -> None:
    assert thinking.untag("route:kimi:ab", "zai") == "route:kimi:ab"
    assert thinking.untag("route:zai:route:zai:ab", "zai") == "route:zai:ab"
