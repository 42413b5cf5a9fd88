"""What subjects share: a profile with a target of every kind, and a request on its way to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow

from claude_route import targets
from claude_route.access import admissions
from claude_route.profile import profiles
from claude_route.proxy import contract
from claude_route.proxy import exchange
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from tests import clocks

POOL = ("sk-ant-oat01-pool-0000000001-pol1", "sk-ant-oat01-pool-0000000002-pol2")
OWN = b"sk-ant-api03-client-0000000000-cLnt"
"""The client's credential."""

KEY = "provider-key-0123456789"

PROVIDERS: dict[str, dict[str, Any]] = {
    "anthropic": {"base_url": "https://api.anthropic.com", "auth": "pool"},
    "zai": {"base_url": "https://api.z.ai/api/anthropic"},
    "deepseek": {"base_url": "https://api.deepseek.com/anthropic", "reasoning": "required"},
    "openrouter": {"base_url": "https://openrouter.ai/api", "thinking": {"responses": "strip"}},
    "all": {
        "base_url": "https://all.example",
        "thinking": {"requests": "all", "responses": "keep"},
        "drop": ["tools[].strict", "metadata", "thinking"],
        "set": {"max_tokens": 100, "top_k": 3},
    },
    "none": {"base_url": "https://none.example", "thinking": {"requests": "none"}},
    "openai": {"base_url": "https://api.openai.com/v1", "api": "openai"},
    "gemini": {
        "base_url": "https://generativelanguage.googleapis.com/v1beta/openai",
        "api": "openai",
        "thinking": {"responses": "strip"},
    },
    "groq": {"base_url": "https://api.groq.com/openai/v1", "api": "openai", "reasoning": "tags"},
    "mistral": {
        "base_url": "https://api.mistral.ai/v1",
        "api": "openai",
        "reasoning": "required",
        "drop": ["temperature"],
        "set": {"max_completion_tokens": 50},
    },
    "narrow": {
        "base_url": "https://narrow.example/v1",
        "api": "openai",
        "context": 1000,
        "supports": {"images": False, "documents": False, "effort": False},
    },
}
MODELS = {
    "anthropic": "claude-opus-5-5",
    "openai": "gpt-5.1",
    "gemini": "gemini-3-pro",
    "deepseek": "deepseek-reasoner",
}

KEYED = {"auth": "bearer", "api_key": KEY}

DOCUMENT = {
    "providers": {
        name: (KEYED if "auth" not in provider else {}) | provider
        for name, provider in PROVIDERS.items()
    },
    "models": {
        **{name: f"{name}/{MODELS.get(name, 'some-model')}" for name in PROVIDERS},
        "*": "anthropic/*",
    },
    "fallbacks": {"*": list(PROVIDERS)},
    "max_attempts": 30,
}

PROFILE = profiles.parse(json.dumps(DOCUMENT), {}, "fuzz.yaml")
ALONE = profiles.parse(json.dumps(DOCUMENT | {"fallbacks": {}}), {}, "fuzz.yaml")
"""In which no target has a fallback."""

TARGETS: dict[str, targets.Target] = {
    name: target for name in PROVIDERS if (target := PROFILE.target(name))
}


def fresh_state(profile: profiles.Profile = PROFILE) -> state.State:
    """In which nothing has been learned yet."""
    clock = clocks.Clock()
    return state.State(
        profile,
        rotation.Pool(POOL, clock=clock),
        breaker.Breaker(clock),
        stats.Stats(clock),
        lessons.Lessons(clock),
    )


def exchange_for(request: http.Request, profile: profiles.Profile = PROFILE) -> exchange.Exchange:
    flow = tflow.tflow()
    flow.request = request
    admission = admissions.Admission(
        client=None,
        is_routed=True,
        is_reverse=True,
        rotates=True,
        secrets={b"{{client}}": OWN},
        origin=admissions.origin(request),
        login="own",
    )
    return exchange.Exchange(
        fresh_state(profile), flow, admission, observer=contract.Observer(), clock=clocks.Clock()
    )


def post(body: bytes, path: str = "/v1/messages", **headers: str) -> http.Request:
    request = http.Request.make("POST", f"https://api.anthropic.com{path}", body)
    request.headers.update({"x-api-key": "{{client}}", **headers})
    return request


def json_of(body: bytes, what: str) -> Any:
    """The object in a body that we wrote."""
    value = json.loads(body)
    assert isinstance(value, dict), what
    return value


def error_of(response: http.Response) -> None:
    """Check that a response of ours is an error as Anthropic has them."""
    assert response.status_code >= 400
    body = json_of(response.content or b"", "error")
    assert body["type"] == "error"
    assert isinstance(body["error"]["type"], str)
    assert isinstance(body["error"]["message"], str)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The data in pieces of these sizes, over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = max(1, sizes[turn % len(sizes)])
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces
