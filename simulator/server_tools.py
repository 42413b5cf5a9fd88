"""What api.anthropic.com refuses about the tools that its own servers run, and about citations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

IDS = {
    "server_tool_use": re.compile(r"srvtoolu_[a-zA-Z0-9_]+"),
    "mcp_tool_use": re.compile(r"mcptoolu_[a-zA-Z0-9_]+"),
}
DOCUMENTS = ("char_location", "page_location", "content_block_location")


def problems(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    called: set[str] = set()
    for n, message in enumerate(history):
        if message.get("role") != "assistant" or isinstance(message["content"], str):
            continue
        for m, block in enumerate(message["content"]):
            place = f"messages.{n}.content.{m}"
            kind = block["type"]
            if kind in IDS:
                pattern = IDS[kind]
                if not pattern.fullmatch(block.get("id") or ""):
                    yield f"{place}.{kind}.id: String should match pattern '^{pattern.pattern}$'"
                called.add(block.get("id") or "")
            elif kind.endswith("_tool_result"):
                if block.get("tool_use_id") not in called:
                    yield (
                        f"{place}: unexpected `tool_use_id` found in `{kind}` blocks:"
                        f" {block.get('tool_use_id')}"
                    )
                yield from _result(f"{place}.{kind}", block)
            elif kind == "text":
                yield from _citations(place, block.get("citations") or ())


def _result(place: str, block: Mapping[str, Any]) -> Iterator[str]:
    content = block.get("content")
    if content is None:
        yield f"{place}.content: Field required"
    elif block["type"] == "web_search_tool_result" and isinstance(content, list):
        for item in content:
            if not item.get("encrypted_content"):
                yield f"{place}.content.web_search_result.encrypted_content: Field required"


def _citations(place: str, citations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for citation in citations:
        kind = citation.get("type")
        if kind == "web_search_result_location":
            if not citation.get("encrypted_index"):
                yield f"{place}.text.citations.{kind}.encrypted_index: Field required"
        elif kind in DOCUMENTS:
            if citation.get("document_index") is None:
                yield f"{place}.text.citations.{kind}.document_index: Field required"
        elif kind != "search_result_location":
            yield f"{place}.text.citations: Input tag '{kind}' does not match any of the expected tags"
