from __future__ import annotations

import json
from typing import Any

import pytest
from mitmproxy import http

from claude_route.access import clients
from claude_route.pages import models
from claude_route.profile import clients as profile_clients
from claude_route.profile import patterns
from claude_route.profile import profiles
from tests.unit import states
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
MANY = profiles.parse(
    """
providers:
  anthropic: {base_url: "https://api.anthropic.com"}
  zai: {base_url: "https://api.z.ai", auth: none, models: {glm-5: {context: 200000}}}
  unset: {base_url: "https://api.kimi.com", api_key: "${KIMI_API_KEY}"}
models:
  glm: zai/glm-5
  my-claude: zai/glm-5
  Anthropic/x: zai/glm-5
  opus: anthropic/claude-opus-5-5
  kimi: unset/k2
  long: zai/LONG
  claude-opus-5-5: anthropic/claude-opus-5-5
""".replace("LONG", "x" * 200),
    {},
    "p.yaml",
)


def ask(path: str, profile: profiles.Profile = MANY) -> tuple[int, dict[str, Any]]:
    request = http.Request.make("GET", f"http://127.0.0.1{path}")
    response = models.response(request, states.state_of(profile))
    return response.status_code, json.loads(response.content or b"")


def ids(path: str) -> list[str]:
    return [each["id"] for each in ask(path)[1]["data"]]


def test_models_in_anthropics_list_format() -> None:
    listed = json.loads(models.answer(states.state_of(PROFILE)).body)
    assert (listed["first_id"], listed["has_more"]) == ("glm", False)
    assert listed["last_id"] == listed["data"][-1]["id"] == "claude-route/kimi"
    assert listed["data"][0] == {
        "type": "model",
        "id": "glm",
        "display_name": "glm (zai/glm-5)",
        "description": "From gateway: zai/glm-5",
        "created_at": "1970-01-01T00:00:00Z",
    }


def test_each_has_a_name_that_claude_code_keeps() -> None:
    listed = ids("/v1/models?limit=1000")
    plain = ["glm", "my-claude", "Anthropic/x", "opus", "kimi", "long", "claude-opus-5-5"]
    prefixed = [f"claude-route/{name}" for name in ("glm", "opus", "kimi", "long")]
    assert listed == plain + prefixed
    for name in prefixed:
        assert MANY.target(name) == MANY.target(name.removeprefix("claude-route/")) is not None


def test_what_the_list_of_claude_code_shows() -> None:
    shown = {each["id"]: each for each in ask("/v1/models")[1]["data"]}
    glm = shown["claude-route/glm"]
    assert glm["display_name"] == "glm"
    assert glm["description"] == "From gateway: zai/glm-5, 200k tokens"
    assert glm["max_input_tokens"] == 200000
    assert "max_input_tokens" not in shown["opus"]
    assert shown["claude-route/kimi"]["description"] == (
        "From gateway: unset/k2, which can't be used: KIMI_API_KEY is not set"
    )
    assert shown["claude-opus-5-5"]["display_name"] == "claude-opus-5-5"
    assert all(len(each["description"]) <= models.MAX_DESCRIPTION for each in shown.values())
    assert shown["claude-route/long"]["description"].endswith("x…")


@pytest.mark.parametrize(
    ("query", "start", "stop", "has_more"),
    [
        ("", 0, 11, False),
        ("?limit=1000", 0, 11, False),
        ("?limit=11", 0, 11, False),
        ("?limit=2", 0, 2, True),
        ("?limit=2&after_id=my-claude", 2, 4, True),
        ("?limit=2&after_id=claude-route/opus", 9, 11, False),
        ("?after_id=claude-route/long", 11, 11, False),
        ("?limit=2&before_id=opus", 1, 3, True),
        ("?before_id=glm", 0, 0, False),
        ("?limit=5&after_id=glm&before_id=opus", 1, 3, False),
        ("?beta=true&unknown=1", 0, 11, False),
    ],
)
def test_pages(query: str, start: int, stop: int, has_more: bool) -> None:
    everything = ids("/v1/models")
    status, page = ask(f"/v1/models{query}")
    got = [each["id"] for each in page["data"]]
    assert (status, got, page["has_more"]) == (200, everything[start:stop], has_more)
    assert (page["first_id"], page["last_id"]) == ((got[0], got[-1]) if got else (None, None))


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("limit=0", "limit: expected a number from 1 to 1000, got '0'"),
        ("limit=1001", "limit: "),
        ("limit=" + "9" * 5000, "limit: "),
        ("limit=x", "limit: "),
        ("limit=", "limit: "),
        ("limit=-1", "limit: "),
        ("after_id=unknown", "after_id: expected the id of a model in the list, got 'unknown'"),
        ("before_id=unknown", "before_id: "),
    ],
)
def test_a_wrong_query(query: str, why: str) -> None:
    status, body = ask(f"/v1/models?{query}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert body["error"]["message"].startswith(why)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models/glm", "glm"),
        ("/v1/models/claude-route/glm", "claude-route/glm"),
        ("/v1/models/claude-route%2Fglm", "claude-route/glm"),
        ("/v1/models/glm[1m]?x=1", "glm[1m]"),
        ("/v1/models/opus", "opus"),
    ],
)
def test_one_model(path: str, name: str) -> None:
    assert models.is_ours(path.partition("?")[0], MANY)
    status, body = ask(path)
    assert (status, body["type"], body["id"]) == (200, "model", name)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/",
        "/v1/models/unknown",
        "/v1/models/claude-opus-5-5",  # Anthropic says more about it
        "/v1/models/..%2Fmessages",
        "/v1/modelsglm",
    ],
)
def test_what_is_no_model_of_ours(path: str) -> None:
    assert not models.is_ours(path, MANY)


def test_a_client_sees_its_own() -> None:
    only = patterns.Table(dict.fromkeys(("glm", "claude-*")))
    alice = clients.Client("alice", "header", profile_clients.Client("alice", (), only))

    def seen(path: str) -> tuple[int, dict[str, Any]]:
        request = http.Request.make("GET", f"http://127.0.0.1{path}")
        response = models.response(request, states.state_of(MANY), alice)
        return response.status_code, json.loads(response.content or b"")

    listed = [model["id"] for model in seen("/v1/models")[1]["data"]]
    assert listed == ["glm", "claude-opus-5-5", "claude-route/glm"]
    assert seen("/v1/models/glm")[0] == seen("/v1/models/claude-route/glm")[0] == 200
    for name in ("kimi", "nothing"):
        assert seen(f"/v1/models/{name}") == (
            404,
            {
                "type": "error",
                "error": {
                    "type": "not_found_error",
                    "message": f"model: '{name}' is not in this proxy's profile",
                },
            },
        )
