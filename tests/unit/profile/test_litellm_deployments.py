from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.profile import litellm_apis
from tests.unit.litellm_configs import config
from tests.unit.litellm_configs import only
from tests.unit.litellm_configs import parse


@pytest.mark.parametrize(
    "prefix, base, base_url",
    [
        ("anthropic", "https://x.ai/api/anthropic", "https://x.ai/api/anthropic"),
        ("anthropic", "https://x.ai/api/anthropic/", "https://x.ai/api/anthropic"),
        ("anthropic", "https://x.ai/api/anthropic/v1", "https://x.ai/api/anthropic"),
        ("anthropic", "https://x.ai/api/anthropic/v1/", "https://x.ai/api/anthropic"),
        ("anthropic", "https://x.ai/v1/messages", "https://x.ai"),
        ("openai", "http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("openai", "http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("openai", None, "https://api.openai.com/v1"),
        ("openrouter", None, "https://openrouter.ai/api/v1"),
        ("openrouter", "https://proxy.corp/v1", "https://proxy.corp/v1"),
        ("zai", None, "https://api.z.ai/api/paas/v4"),
        ("hosted_vllm", "http://gpu:8000/v1", "http://gpu:8000/v1"),
        ("ollama", None, "http://localhost:11434"),
        ("ollama_chat", "http://gpu:11434", "http://gpu:11434"),
    ],
)
def test_base_url(prefix: str, base: str | None, base_url: str) -> None:
    for key in ("api_base", "base_url"):
        provider = only(model=f"{prefix}/m", **{key: base}, api_key="k")
        assert provider.base_url == base_url
        assert provider.api == litellm_apis.PREFIXES[prefix].style.dialect


@pytest.mark.parametrize(
    "params, auth, missing",
    [
        ({"model": "anthropic/x"}, "pool", ()),
        ({"model": "anthropic/x", "api_key": "sk-ant-api03-x"}, "x-api-key", ()),
        ({"model": "anthropic/x", "api_key": "sk-ant-oat01-x"}, "bearer", ()),
        ({"model": "anthropic/x", "api_key": "os.environ/K"}, "pool", ("K",)),
        ({"model": "anthropic/x", "api_base": "https://x"}, "none", ()),
        ({"model": "anthropic/x", "api_base": "https://x", "api_key": "k"}, "x-api-key", ()),
        ({"model": "openai/x", "api_base": "https://x", "api_key": "k"}, "bearer", ()),
        ({"model": "openai/x", "api_base": "https://x"}, "none", ()),
        ({"model": "openai/x"}, "none", ("OPENAI_API_KEY",)),
        ({"model": "openai/x", "environ": {"OPENAI_API_KEY": "k"}}, "bearer", ()),
        ({"model": "openrouter/x", "environ": {"OPENROUTER_API_KEY": "k"}}, "bearer", ()),
    ],
)
def test_auth(params: dict[str, Any], auth: str, missing: tuple[str, ...]) -> None:
    provider = only(**params)
    assert (provider.auth, provider.missing) == (auth, missing)


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({"x-api-key": "os.environ/KEY"}, {}),
        ({"X-Api-Key": "os.environ/KEY", "x-team": "a"}, {"x-team": "a"}),
        ({"Authorization": "Bearer ${KEY}"}, {}),
        ({"authorization": "os.environ/KEY", "x-api-key": "os.environ/KEY"}, {}),
    ],
)
def test_a_header_that_repeats_the_key_is_not_needed(
    headers: dict[str, str], left: dict[str, str]
) -> None:
    provider = only(
        model="anthropic/kimi-for-coding",
        api_base="https://api.kimi.com/coding",
        api_key="os.environ/KEY",
        extra_headers=headers,
        environ={"KEY": "kimi-secret"},
    )
    assert (provider.auth, provider.api_key) == ("x-api-key", "kimi-secret")
    assert provider.headers == left


@pytest.mark.parametrize("api_key", [None, "os.environ/KEY"])
@pytest.mark.parametrize(
    ("model", "headers", "auth"),
    [
        ("anthropic/kimi-for-coding", {"x-api-key": "os.environ/OTHER"}, "x-api-key"),
        ("anthropic/kimi-for-coding", {"Authorization": "Bearer ${OTHER}"}, "bearer"),
        ("anthropic/kimi-for-coding", {"authorization": "bearer another"}, "bearer"),
        ("openai/gpt-5", {"Authorization": "Bearer another", "x-team": "a"}, "bearer"),
        ("openai/gpt-5", {"X-Api-Key": "another"}, "x-api-key"),
    ],
)
def test_a_credential_in_extra_headers_is_the_credential(
    model: str, headers: dict[str, str], auth: str, api_key: str | None
) -> None:
    provider = only(
        model=model,
        api_base="https://api.example/v1",
        api_key=api_key,
        extra_headers=headers,
        environ={"KEY": "a-key", "OTHER": "another"},
    )
    assert (provider.auth, provider.api_key) == (auth, "another")
    assert provider.headers == ({"x-team": "a"} if "x-team" in headers else {})
    assert "another" not in repr(provider)


def test_a_mode_that_is_no_conversation() -> None:
    text = config(
        {"model": "openai/m", "model_name": "a"}, {"model": "openai/n", "model_name": "b"}
    )
    value = json.loads(text)
    value["model_list"][0]["model_info"] = {"mode": "embedding"}
    value["model_list"][1]["model_info"] = {"mode": "responses"}
    assert list(parse(json.dumps(value)).models) == ["b"]
