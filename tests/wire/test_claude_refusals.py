"""The real Claude Code client, after a provider has refused what its model lacks: the session goes on."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import test_claude

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]

PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<<\x2fRoot 1 0 R>>
%%EOF
"""

KINDS = {"dot.png": ("image", "image_url"), "page.pdf": ("document", "file")}
"""File -> the type of its block in Messages, and of its part in Chat Completions."""

TOO_LONG = "prompt token count of 74490 exceeds the limit of 72000"
NO_NUMBERS = "Prompt exceeds max length"
GROWTH = 20_000
"""How many characters a conversation may become longer, before it is too long: less than the output of
the script."""


@pytest.fixture(params=["glm", "chat"])
def model(request: pytest.FixtureRequest) -> str:
    """Of each dialect."""
    chosen: str = request.param
    return chosen


def with_chat(url: str) -> dict[str, Any]:
    """A profile with a model of each dialect, `glm` and `chat`."""
    profile = proxies.profile(url)
    profile["providers"]["chat"] = {
        "base_url": f"{url}/provider/v1",
        "api": "openai",
        "api_key": "chat-key-0123456789",
    }
    profile["models"]["chat"] = "chat/thinker-1"
    return profile


def contents(file: str) -> bytes:
    return PDF if file.endswith("pdf") else base64.b64decode(test_claude.DOT)


@pytest.fixture
def client(start: Start, sim: simulator.Simulator, tmp_path: Path) -> claude_code.Claude:
    proxy = start(with_chat(sim.url), behind=sim.url)
    return claude_code.Claude(tmp_path / "home", claude_code.through_the_reverse_listener(proxy))


def size(recorded: Any) -> int:
    return len(str(recorded.json))


def is_summary(recorded: Any) -> bool:
    """Whether the client asks to have its conversation compacted."""
    return "create a detailed summary" in str(recorded.json["messages"][-1])


@pytest.mark.parametrize("file", KINDS)
def test_a_file_that_the_model_cannot_read(
    client: claude_code.Claude, sim: simulator.Simulator, model: str, file: str
) -> None:
    (client.folder / file).write_bytes(contents(file))
    kind = KINDS[file][model == "chat"]
    refused = []

    def has_file(recorded: Any) -> bool:
        has = f"'type': '{kind}'" in str(recorded.json)
        refused.extend([recorded] * has)
        return has

    words = f"messages[2].content: unknown variant `{kind}`, expected `text`"
    sim.when(has_file, answers.failure(400, words))
    client.ask(f"read: {client.folder}/{file}", "--model", model, "--allowedTools", "Read")
    assert refused, "the client sends the file"
    asked = len(refused)
    for prompt in ("second", "third"):
        answer = client.ask(prompt, "--model", model, "--continue")
        assert answer == f"You said: {prompt}"
    # `--continue` reads the file's block from the transcript again.
    assert len(refused) <= asked + 2


@pytest.mark.parametrize("words", [TOO_LONG, NO_NUMBERS], ids=["numbers", "no numbers"])
def test_a_conversation_that_is_too_long(
    client: claude_code.Claude, sim: simulator.Simulator, model: str, words: str
) -> None:
    script = client.folder / "long.py"
    script.write_text("print('x y ' * 7000)")
    run = f"run: python3 {script}", "--model", model, "--allowedTools", "Bash"
    client.ask(*run)
    limit = max(map(size, sim.requests)) + GROWTH
    refused = []

    def is_too_long(recorded: Any) -> bool:
        refused.extend([recorded] * (size(recorded) > limit))
        return size(recorded) > limit

    sim.when(is_summary, answers.text("<analysis>A</analysis><summary>THE SUMMARY</summary>"))
    sim.when(is_too_long, answers.failure(400, words))
    client.ask(*run, "--continue")
    assert len(refused) == 1, "Claude Code knows by how much it is too long"
    assert "THE SUMMARY" in str(sim.requests[-1].json)
    for prompt in ("second", "third"):
        answer = client.ask(prompt, "--model", model, "--continue")
        assert answer == f"You said: {prompt}"


HOOK = {"type": "prompt", "prompt": "Is this fine? $ARGUMENTS"}
"""Its answer has to follow a schema."""


def asks_for(lack: str, body: dict[str, Any]) -> bool:
    """Whether a request of either dialect needs what a model lacks."""
    configs = [each.get("output_config", {}) for each in (body, *body.get("messages", ()))]
    match lack:
        case "effort":
            return "reasoning_effort" in body or any("effort" in config for config in configs)
        case "structured_outputs":
            return "response_format" in body or any("format" in config for config in configs)
        case "images":
            return "'type': 'image" in str(body)
        case _:
            return "'type': 'document'" in str(body) or "'type': 'file'" in str(body)


LACKS = {
    "images": ("read: {folder}/dot.png", ("--allowedTools", "Read"), "image_block"),
    "documents": ("read: {folder}/page.pdf", ("--allowedTools", "Read"), "document_block"),
    "effort": ("first", ("--effort", "high"), "effort_unsupported"),
    "structured_outputs": (
        "first",
        ("--settings", json.dumps({"hooks": {"UserPromptSubmit": [{"hooks": [HOOK]}]}})),
        "structured_outputs_unsupported",
    ),
}
"""What the profile says that a model lacks -> what makes the client ask for it, and the class of the
refusal."""


@pytest.mark.parametrize("lack", LACKS)
def test_what_the_profile_says_that_a_model_lacks(
    start: Start, sim: simulator.Simulator, tmp_path: Path, model: str, lack: str
) -> None:
    """The provider never sees it, and the session goes on."""
    prompt, arguments, refusal = LACKS[lack]
    profile = with_chat(sim.url)
    for provider in ("zai", "chat"):
        profile["providers"][provider]["supports"] = {lack: False}
    # The hook asks a small model of Claude's.
    profile["models"]["claude-*"] = profile["models"][model]
    proxy = start(profile, behind=sim.url)
    client = claude_code.Claude(tmp_path / "home", claude_code.through_the_reverse_listener(proxy))
    for file in KINDS:
        (client.folder / file).write_bytes(contents(file))
    prompt = prompt.replace("{folder}", str(client.folder))
    client.ask(prompt, "--model", model, *arguments)
    assert f" · 400 capability_rejected: {refusal} " in proxy.log
    for prompt in ("second", "third"):
        assert client.ask(prompt, "--model", model, "--continue") == f"You said: {prompt}"
    assert not any(asks_for(lack, recorded.json) for recorded in sim.requests)
