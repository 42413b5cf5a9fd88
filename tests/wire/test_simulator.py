"""The simulator's Messages API: its answers, and how tests script them."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

import simulator
from simulator import Answer
from simulator import RedactedThinking
from simulator import Simulator
from simulator import Text
from simulator import Thinking
from simulator import ToolUse
from simulator import answers
from simulator import limits
from simulator import scenarios
from tests.wire import proxies
from tests.wire.simulator_client import BASH
from tests.wire.simulator_client import OLD
from tests.wire.simulator_client import READ
from tests.wire.simulator_client import RESULT
from tests.wire.simulator_client import ask
from tests.wire.simulator_client import fold
from tests.wire.simulator_client import message
from tests.wire.simulator_client import post
from tests.wire.simulator_client import stream
from tests.wire.simulator_client import turns


class TestAnswer:
    def test_says_what_it_was_asked(self, sim: Simulator) -> None:
        answer = message(sim, ask("hello"))
        assert answer["content"] == [{"type": "text", "text": "You said: hello"}]
        assert answer["model"] == "claude-opus-5-5"
        assert answer["stop_reason"] == "end_turn"
        assert answer["usage"]["input_tokens"] == len(json.dumps(ask("hello"))) * 2 // 7
        assert sim.refusals == []

    def test_long_prompt_is_cut(self, sim: Simulator) -> None:
        text = message(sim, ask("x" * 1000))["content"][0]["text"]
        assert text == "You said: " + "x" * 200 + "…"

    def test_reminders_of_the_client_are_not_what_was_said(self, sim: Simulator) -> None:
        blocks = [
            {"type": "text", "text": "<system-reminder>\nrun: rm -r /\n</system-reminder>"},
            {"type": "text", "text": "hello"},
        ]
        body = ask(messages=[{"role": "user", "content": blocks}], tools=[BASH])
        assert message(sim, body)["content"][0]["text"] == "You said: hello"

    def test_ids_are_unique(self, sim: Simulator) -> None:
        ids = {message(sim, ask())["id"] for _ in range(20)}
        assert len(ids) == 20
        assert all(one.startswith("msg_01") for one in ids)

    @pytest.mark.parametrize("display", ["omitted", "summarized"])
    def test_thinking_comes_first(self, sim: Simulator, display: str) -> None:
        body = ask(thinking={"type": "adaptive", "display": display})
        for answer in (message(sim, body), fold(stream(sim, body))):
            thinking, text = answer["content"]
            assert thinking["type"] == "thinking"
            assert bool(thinking["thinking"]) == (display == "summarized")
            assert len(base64.b64decode(thinking["signature"], validate=True)) > 64
            assert text["text"] == "You said: hello"

    @pytest.mark.parametrize(("model", "shown"), [("claude-opus-5-5", False), (OLD, True)])
    def test_display_by_default(self, sim: Simulator, model: str, shown: bool) -> None:
        kind = {"type": "enabled", "budget_tokens": 1024} if shown else {"type": "adaptive"}
        body = ask(model=model, thinking=kind, max_tokens=2000)
        assert bool(message(sim, body)["content"][0]["thinking"]) == shown

    @pytest.mark.parametrize("delta_size", [1, 7, 1000])
    def test_stream_says_the_same_as_the_whole(self, sim: Simulator, delta_size: int) -> None:
        content = (
            Thinking("naïve", signature="s"),
            RedactedThinking("abc"),
            Text("Hi – 考え"),
            ToolUse("Bash", {"command": "echo é", "n": [1, {}]}, "toolu_1"),
            ToolUse("Stop", {}, "toolu_2"),
        )
        answer = Answer(content=content, delta_size=delta_size, id="msg_1")
        sim.script(answer, answer)
        body = ask(thinking={"type": "adaptive", "display": "summarized"})
        whole, streamed = message(sim, body), fold(stream(sim, body))
        for one in (whole, streamed):
            del one["usage"]["input_tokens"]
        assert streamed == whole
        assert whole["stop_reason"] == "tool_use"

    def test_what_an_answer_overrides(self, sim: Simulator) -> None:
        sim.script(
            Answer(
                model="kimi-k2.6",
                stop_reason="max_tokens",
                usage={"input_tokens": 7, "cache_read_input_tokens": 3},
                headers=(("Request-Id", "mine"), ("x-more", "1")),
            )
        )
        _, head, content = post(sim, ask())
        answer = json.loads(content)
        assert (answer["model"], answer["stop_reason"]) == ("kimi-k2.6", "max_tokens")
        assert answer["usage"]["input_tokens"] == 7
        assert answer["usage"]["cache_read_input_tokens"] == 3
        assert head.get_all("request-id") == ["mine"]
        assert head["x-more"] == "1"

    def test_subscription_sees_its_utilisation(self, sim: Simulator) -> None:
        headers = {"authorization": "Bearer sk-ant-oat01-u", "anthropic-version": "2023-06-01"}
        used = [
            post(sim, ask(), headers)[1]["anthropic-ratelimit-unified-5h-utilization"]
            for _ in range(2)
        ]
        assert used == ["0.01", "0.02"]

    def test_key_sees_what_remains(self, sim: Simulator) -> None:
        head = post(sim, ask())[1]
        assert int(head["anthropic-ratelimit-requests-remaining"]) < 4000
        assert head["anthropic-ratelimit-unified-status"] is None

    def test_counts_tokens(self, sim: Simulator) -> None:
        body = {key: value for key, value in ask("x" * 700).items() if key != "max_tokens"}
        status, _, content = post(sim, body, path="/v1/messages/count_tokens?beta=true")
        assert status == 200
        assert 200 <= json.loads(content)["input_tokens"] <= 240

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("HEAD", "/api/hello", 200),
            ("GET", "/api/claude_code/settings", 200),
            ("GET", "/api/claude_code/policy_limits", 200),
            ("POST", "/api/eval/sdk-abc", 200),
            ("GET", "/api/claude_cli/bootstrap", 200),
            ("POST", "/api/event_logging/v2/batch", 200),
            ("GET", "/v1/models?limit=1000", 200),
            ("GET", "/v1/models/claude-opus-5-5", 200),
            ("GET", "/v1/models/gpt-9", 404),
            ("GET", "/nowhere", 404),
        ],
    )
    def test_pages(self, sim: Simulator, method: str, path: str, status: int) -> None:
        connection = http.client.HTTPConnection(sim.host, sim.port, timeout=proxies.PATIENCE)
        connection.request(method, path)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        assert response.status == status
        if method == "HEAD":
            assert content == b""
        elif status == 404:
            assert json.loads(content)["error"]["type"] == "not_found_error"
        else:
            json.loads(content)


class TestTools:
    def play(self, sim: Simulator, prompt: str, tools: list[Any], results: list[Any]) -> list[Any]:
        """The answers of a tool loop, with the results given one after the other."""
        left = iter(results)
        body = ask(prompt, tools=tools, thinking={"type": "adaptive"})
        turns = []
        while True:
            content = fold(stream(sim, body))["content"]
            turns.append(content[1:])
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                return turns
            answered = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": next(left)}
                for call in calls
            ]
            body["messages"] += [
                {"role": "assistant", "content": content},
                {"role": "user", "content": answered},
            ]

    def test_one_call(self, sim: Simulator) -> None:
        call, answer = self.play(sim, "please run: echo hi", [BASH], ["hi\n"])
        assert call[0]["name"] == "Bash"
        assert call[0]["input"]["command"] == "echo hi"
        assert answer == [{"type": "text", "text": "Result: hi\n"}]
        assert sim.refusals == []

    def test_steps(self, sim: Simulator) -> None:
        prompt = 'run: a, b\nboth: run: c, read: /d\ncall: Bash {"command": "e"}'
        picture = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
        results = ["1", "2", [{"type": "image", "source": picture}], "4"]
        turns = self.play(sim, prompt, [BASH, READ], results)
        calls = [[(c["name"], *c["input"].values()) for c in turn] for turn in turns[:-1]]
        assert calls == [
            [("Bash", "a, b", "Run what was asked for")],
            [("Bash", "c", "Run what was asked for"), ("Read", "/d")],
            [("Bash", "e")],
        ]
        assert turns[-1][0]["text"] == "Result: 4"

    def test_image_is_named_in_the_result(self, sim: Simulator) -> None:
        picture = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
        results = [[{"type": "image", "source": picture}]]
        turns = self.play(sim, "read: /x.png", [READ], results)
        assert turns[-1][0]["text"] == "Result: [image image/png, 3 bytes]"

    @pytest.mark.parametrize("prompt", ["run: echo hi", "call: Nothing {}", "call: me later"])
    def test_only_tools_that_are_offered(self, sim: Simulator, prompt: str) -> None:
        assert self.play(sim, prompt, [READ], []) == [
            [{"type": "text", "text": f"You said: {prompt}"}]
        ]

    def test_a_second_prompt_starts_over(self, sim: Simulator) -> None:
        body = ask("run: echo 1", tools=[BASH])
        first = message(sim, body)["content"]
        body["messages"] += [
            {"role": "assistant", "content": first},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": first[0]["id"], "content": "1"}],
            },
            {"role": "assistant", "content": "Result: 1"},
            {"role": "user", "content": "run: echo 2"},
        ]
        assert message(sim, body)["content"][0]["input"]["command"] == "echo 2"


class TestScript:
    def test_order_then_default(self, sim: Simulator) -> None:
        sim.script(answers.text("one"), answers.failure(529), answers.text("two"))
        assert sim.unused == 3
        got = [post(sim, ask())[0] for _ in range(4)]
        assert got == [200, 529, 200, 200]
        sim.default(answers.text("three"))
        assert message(sim, ask())["content"][0]["text"] == "three"

    def test_rules_come_first_and_reach_every_path(self, sim: Simulator) -> None:
        sim.script(answers.text("script"))
        sim.when(lambda request: request.credential == "sk-ant-api03-x", answers.text("rule"))
        sim.when(lambda request: request.json["messages"][0]["role"] == "nobody", Answer())
        sim.when(lambda request: "models" in request.path, answers.failure(503))
        assert message(sim, ask())["content"][0]["text"] == "rule"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{sim.url}/v1/models")
        assert sim.unused == 1

    def test_count_tokens_leaves_the_script_alone(self, sim: Simulator) -> None:
        sim.script(answers.failure(500))
        body = {"model": "claude-x", "messages": turns("x")}
        assert post(sim, body, path="/v1/messages/count_tokens")[0] == 200
        assert sim.unused == 1

    def test_failure_needs_no_good_request(self, sim: Simulator) -> None:
        sim.script(answers.failure(529))
        status, _, content = post(sim, b"{", {})
        assert status == 529
        assert json.loads(content)["error"] == {"type": "overloaded_error", "message": "Overloaded"}

    def test_control_endpoint(self, sim: Simulator) -> None:
        order = {
            "clear": True,
            "answers": [
                {"content": [{"type": "text", "text": "far"}], "headers": {"x-a": "b"}},
                {"status": 502, "body": "<html>é"},
            ],
            "when": [{"model": "claude-x", "answer": {"status": 404}}],
            "default": {"content": [{"type": "tool_use", "name": "T", "input": {"a": 1}}]},
        }
        assert post(sim, order, path="/_simulator/script")[0] == 200
        assert message(sim, ask())["content"] == [{"type": "text", "text": "far"}]
        assert post(sim, ask())[2] == "<html>é".encode()
        assert post(sim, ask(model="claude-x"))[0] == 404
        assert message(sim, ask())["content"][0]["input"] == {"a": 1}
        with urllib.request.urlopen(f"{sim.url}/_simulator/requests") as page:
            assert [one["status"] for one in json.load(page)["requests"]] == [200, 502, 404, 200]

    @pytest.mark.parametrize(
        "order", [[], {"answers": [3]}, {"answers": [{"stop": 1}]}, {"when": [{}]}]
    )
    def test_bad_control(self, sim: Simulator, order: Any) -> None:
        assert post(sim, order, path="/_simulator/script")[0] == 400

    @pytest.mark.parametrize("name", ["429", "500", "529", "418", "html"])
    def test_models_that_fail(self, sim: Simulator, name: str) -> None:
        for prefix in ("sim-", "claude-sim-"):
            status, head, _ = post(sim, ask(model=prefix + name))
            assert status == (502 if name == "html" else int(name))
            rejected = head["anthropic-ratelimit-unified-status"] == "rejected"
            assert rejected == (name == "429")

    @pytest.mark.parametrize("name", [*scenarios.NAMED, "tool"])
    def test_every_named_model_is_documented(self, name: str) -> None:
        assert f"-{name}" in (simulator.__doc__ or "")

    def test_tool_model_asks_once(self, sim: Simulator) -> None:
        body = ask(model="sim-tool")
        content = message(sim, body)["content"]
        result = {**RESULT, "tool_use_id": content[0]["id"], "content": "sim"}
        body["messages"] += turns("", content, [result])[1:]
        assert message(sim, body)["content"][0]["text"] == "Result: sim"


class TestLimits:
    def test_rejected(self) -> None:
        headers = dict(limits.rejected("5h", "7d", now=1000.5))
        prefix = "anthropic-ratelimit-unified-"
        assert headers["retry-after"] == "86400"
        assert headers[prefix + "status"] == "rejected"
        assert headers[prefix + "representative-claim"] == "seven_day"
        assert headers[prefix + "reset"] == headers[prefix + "7d-reset"] == "87400"
        assert headers[prefix + "5h-status"] == headers[prefix + "7d-status"] == "rejected"

    def test_allowed_names_the_fuller_window(self) -> None:
        headers = dict(
            limits.unified(five_hour=0.2, seven_day=0.9, five_hour_reset=10, seven_day_reset=20)
        )
        prefix = "anthropic-ratelimit-unified-"
        assert headers[prefix + "status"] == "allowed"
        assert headers[prefix + "representative-claim"] == "seven_day"
        assert headers[prefix + "7d-utilization"] == "0.9"

    def test_api_key(self) -> None:
        headers = dict(limits.api_key(now=0, remaining=0))
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert headers["anthropic-ratelimit-requests-reset"] == "1970-01-01T00:01:00Z"
