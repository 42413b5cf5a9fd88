from __future__ import annotations

from typing import Any

import pytest

from tests.unit import chat_streams
from tests.unit.chat_streams import IMAGE
from tests.unit.chat_streams import PICTURE
from tests.unit.chat_streams import assistant
from tests.unit.chat_streams import called
from tests.unit.chat_streams import conversation
from tests.unit.chat_streams import result
from tests.unit.chat_streams import text
from tests.unit.chat_streams import tool_message
from tests.unit.chat_streams import use
from tests.unit.chat_streams import user


def document(media_type: str, data: str, **fields: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "document", "source": source, **fields}


PARTS = [
    pytest.param([("user", [text("a"), text("b")])], [user("a\n\nb")], id="several texts"),
    pytest.param([("user", [text("a"), IMAGE])], [user([text("a"), PICTURE])], id="image"),
    pytest.param(
        [("user", [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}])],
        [user([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}])],
        id="image by URL",
    ),
    pytest.param(
        [("assistant", [use("a", p=1)]), ("user", [result("a", None), result("b", [])])],
        [called("a") | {"tool_calls": [{"id": "a", "type": "function", "function": {"name": "Read", "arguments": '{"p": 1}'}}]},
         tool_message("a", "[No output]"), user("[Result of another tool call, b]\n[No output]")],
        id="results without content",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", "gone", is_error=True)])],
        [called("a"), tool_message("a", "Error: gone")],
        id="is_error",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [text("gone")], is_error=True)])],
        [called("a"), tool_message("a", "Error: gone")],
        id="is_error, in blocks",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [text("see"), IMAGE]), text("now")])],
        [called("a"), tool_message("a", "see\n[The image is in the next message]"),
         user([text("[From the result of Read, a]"), PICTURE, text("now")])],
        id="an image in a result",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [{"type": "tool_reference", "tool_name": "Bash"}])])],
        [called("a"), tool_message("a", "[The tool Bash can be called now]")],
        id="tool_reference",
    ),
    pytest.param(
        [("user", [{"type": "search_result", "title": "T", "source": "https://x", "content": [text("found")]}])],
        [user("[Search result: T, https://x]\nfound")],
        id="search_result",
    ),
    pytest.param(
        [("user", [{"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}])],
        [user("[Document: T]\nC\nD")],
        id="document of text",
    ),
    pytest.param(
        [("user", [{"type": "document", "source": {"type": "content", "content": "D"}}])],
        [user("[Document: document]\nD")],
        id="document of content",
    ),
    pytest.param(
        [("user", [{"type": "document", "source": {"type": "content", "content": [text("D"), IMAGE]}}])],
        [user([text("[Document: document]"), text("D"), PICTURE])],
        id="document of blocks",
    ),
    pytest.param(
        [("user", [{"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}])],
        [user("[Document: document]\nhttps://x/y.pdf")],
        id="document by URL",
    ),
    pytest.param(
        [("user", [{"type": "document", "title": "y.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}])],
        [user([text("[Document: y.pdf]"), {"type": "file", "file": {"filename": "y.pdf", "file_data": "data:application/pdf;base64,JVBE"}}])],
        id="PDF",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}])])],
        [called("a"), tool_message("a", "[Document: document]\n[The document is in the next message]"),
         user([text("[From the result of Read, a]"), {"type": "file", "file": {"filename": "document", "file_data": "data:application/pdf;base64,JVBE"}}])],
        id="PDF in a result",
    ),
    pytest.param(
        [("user", [document("text/plain", "cmVtZW1iZXIgdGhlIG1pbGs=", title="notes.txt")])],
        [user("[Document: notes.txt]\nremember the milk")],
        id="text in base64",
    ),
    pytest.param(
        [("user", [document("text/markdown; charset=utf-8", "77u/w6n/")]), ("user", [document("application/json", "e30=")])],
        [user("[Document: document]\né\ufffd\n\n[Document: document]\n{}")],
        id="kinds of text in base64",
    ),
    pytest.param(
        [("assistant", [use("a")]), ("user", [result("a", [document("text/csv", "YSxi")])])],
        [called("a"), tool_message("a", "[Document: document]\na,b")],
        id="text in base64 in a result",
    ),
    pytest.param(
        [("user", [document("image/png", "iVBO")])],
        [user([text("[Document: document]"), {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}])],
        id="picture as a document",
    ),
    pytest.param(
        [("assistant", [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
                        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "https://x", "title": "T", "encrypted_content": "zzz"}]},
                        text("So")])],
        [assistant('[Called web_search: {"query": "q"}]\n\n[web_search_tool_result: [{"type":"web_search_result","url":"https://x","title":"T"}]]\n\nSo')],
        id="server tools",
    ),
    pytest.param(
        [("assistant", [{"type": "compaction", "content": "so far"}])],
        [assistant("[compaction: so far]")],
        id="compaction",
    ),
    pytest.param(
        [("assistant", [{"type": "compaction", "content": None}, text("So")])],
        [assistant("So")],
        id="compaction that failed",
    ),
]  # fmt: skip


@pytest.mark.parametrize("turns, expected", PARTS)
def test_parts(turns: list[tuple[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert conversation(*turns) == expected


DROPPED = [
    (text("a") | {"cache_control": {"type": "ephemeral"}, "citations": []}, "cache_control"),
    (text("a") | {"citations": [{"type": "char_location"}]}, "citations"),
    ({"type": "redacted_thinking", "data": "zzz"}, "redacted_thinking"),
    ({"type": "thinking", "thinking": "Hm", "signature": "A" * 88}, "thinking"),
    ({"type": "compaction", "content": None}, "compaction"),
    ({"type": "container_upload", "file_id": "f"}, "container_upload"),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "source.file"),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "source.file"),
    (result("a", [text("x") | {"cache_control": {}}]), "cache_control"),
]


@pytest.mark.parametrize("block, path", DROPPED)
def test_what_is_dropped_is_named(block: dict[str, Any], path: str) -> None:
    role = "assistant" if "thinking" in block["type"] else "user"
    call = chat_streams.call({"messages": [{"role": role, "content": [block]}] * 2})
    assert call.dropped.count(f"messages[].content[].{path}") == 1


def test_a_document_that_is_not_in_base64() -> None:
    with pytest.raises(ValueError, match=r"source\.data: expected base64, got other text"):
        chat_streams.call(
            {"messages": [{"role": "user", "content": [document("text/plain", "abcde")]}]}
        )
