"""A session with an agent, a failed attempt and a missed cache, as the pages get it."""

from __future__ import annotations

import json
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.dialects import usage
from claude_route.pages import asking
from claude_route.sessions import book
from claude_route.sessions import summaries
from claude_route.sessions import turns

SESSION = "5e55-10n"
SCRIPT = '<script>document.title="got in"</script>'
SECRET = "sk-ant-oat01-the-pools-own-token"

TOOLS = [
    {"name": "Read", "description": "Reads a file.", "input_schema": {"type": "object"}},
    {"name": "mcp__jira__search", "description": "Searches.", "input_schema": {"a": [1, {}]}},
]
SYSTEM = [{"type": "text", "text": "You are Claude Code."}]
ASKED = {"role": "user", "content": [{"type": "text", "text": "explain the shop"}]}
CALL = {"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "shop.py"}}
AGENT_CALL = {
    "type": "tool_use",
    "id": "t2",
    "name": "Agent",
    "input": {"description": "look around", "prompt": "look", "subagent_type": "Explore"},
}
RESULT = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "t1", "content": '{"tea": 4, "note": ""}'}],
}
ANSWERED = {"type": "text", "text": f"**Tea** costs 4. {SCRIPT}"}


class Kept:
    """The flows that are kept, as `Sources.kept` finds them."""

    def __init__(self) -> None:
        self.book = book.Book()
        self.flows: dict[str, asking.Kept] = {}

    def find(self, flow: str, in_mitmweb: bool = True) -> asking.Kept | None:
        return self.flows.get(flow) if in_mitmweb else None

    def add(
        self, flow: str, at: float, messages: list[Any], answer: list[Any], **more: Any
    ) -> turns.Turn:
        body = {"model": "claude-opus-5-5", "tools": TOOLS, "system": SYSTEM, "messages": messages}
        body |= more.pop("body", {})
        whole = {
            "id": f"msg_{flow}",
            "type": "message",
            "content": answer,
            "stop_reason": "end_turn",
        }
        made = tflow.tflow(
            req=http.Request.make(
                "POST",
                "http://127.0.0.1/v1/messages",
                json.dumps(body),
                http.Headers(content_type="application/json", authorization="Bearer {{client}}"),
            ),
            resp=http.Response.make(
                200, json.dumps(whole), http.Headers(content_type="application/json")
            ),
        )
        made.id = flow
        self.flows[flow] = asking.Kept(made)
        wire = {
            "flow": flow,
            "at": at,
            "request": json.dumps(body).encode(),
            "answer": json.dumps(whole).encode(),
            "session": SESSION,
            "model": "claude-opus-5-5",
            "target": "anthropic/claude-opus-5-5",
            "used": usage.Usage(10, 5, 90, 0),
            "cost": 0.25,
            "first_byte": 0.4,
            "seconds": 1.2,
            **more,
        }
        known, calls = self.book.known(str(wire["session"]))
        turn = summaries.make(summaries.Wire(**wire), known, dict(calls))
        self.book.add(turn)
        return turn


def session() -> Kept:
    kept = Kept()
    kept.add("f1", 1000, [ASKED], [CALL])
    messages = [ASKED, {"role": "assistant", "content": [CALL]}, RESULT]
    kept.add(
        "f2",
        1010,
        messages,
        [ANSWERED, AGENT_CALL],
        target="zai/glm-5",
        failed=(
            turns.Failed(
                "anthropic/claude-opus-5-5",
                f"529 {SCRIPT}",
                "x",
                "token 1 …wxyz",
                "zai/glm-5",
                words=f"Too busy {SCRIPT}",
            ),
        ),
        passed_over=(turns.PassedOver("kimi/k2", "keeps failing"),),
    )
    look = {"role": "user", "content": [{"type": "text", "text": "look"}]}
    kept.add("f3", 1011, [look], [ANSWERED], agent="a1")
    return kept
