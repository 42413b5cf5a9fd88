"""A LiteLLM config in place of a profile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from claude_route.profile import profiles
from tests.unit.litellm_configs import config
from tests.unit.litellm_configs import only
from tests.unit.litellm_configs import parse

TEAM = """
model_list:
  - model_name: glm
    litellm_params:
      model: anthropic/glm-5
      api_base: https://api.z.ai/api/anthropic
      api_key: os.environ/ZAI_API_KEY
  - model_name: glm-fast
    litellm_params:
      model: anthropic/glm-5-air
      api_base: https://api.z.ai/api/anthropic
      api_key: os.environ/ZAI_API_KEY
  - model_name: kimi
    litellm_params:
      model: anthropic/kimi-for-coding
      api_base: https://api.kimi.com/coding/
      api_key: os.environ/KIMI_API_KEY
      extra_headers: {X-Team: os.environ/TEAM}
  - model_name: openrouter
    litellm_params:
      model: openrouter/qwen/qwen3.6-plus:free
      api_key: os.environ/OPENROUTER_API_KEY
    model_info: {mode: chat}
  - model_name: anthropic/*
    litellm_params: {model: anthropic/*, timeout: 600}

router_settings:
  num_retries: 0
  fallbacks:
    - anthropic/claude-haiku-*: [glm-fast]
    - anthropic/*: [glm]

litellm_settings: {drop_params: true, callbacks: request_transformer.handler}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}
"""

ENVIRON = {
    "ZAI_API_KEY": "zai-secret",
    "KIMI_API_KEY": "kimi-secret",
    "OPENROUTER_API_KEY": "or-secret",
    "TEAM": "core",
}


def test_the_config_of_a_team() -> None:
    profile = parse(TEAM, **ENVIRON)
    assert {
        name: (provider.base_url, provider.api, provider.auth, provider.api_key)
        for name, provider in profile.providers.items()
    } == {
        "anthropic": ("https://api.anthropic.com", "anthropic", "pool", None),
        "z.ai": ("https://api.z.ai/api/anthropic", "anthropic", "x-api-key", "zai-secret"),
        "kimi.com": ("https://api.kimi.com/coding", "anthropic", "x-api-key", "kimi-secret"),
        "openrouter": ("https://openrouter.ai/api/v1", "openai", "bearer", "or-secret"),
    }
    assert profile.providers["kimi.com"].headers == {"x-team": "core"}
    assert profile.listed_models() == ["glm", "glm-fast", "kimi", "openrouter"]
    assert profile.intercept == ("api.anthropic.com",)
    assert profile.warnings == (
        "general_settings.master_key guards nothing here: without PROXY_STATIC_TOKEN, every program"
        " on this machine may use this proxy.",
        "Ignored LiteLLM settings: general_settings, router_settings.num_retries,"
        " litellm_settings.drop_params, litellm_settings.callbacks, model_list[].model_info,"
        " model_list[].litellm_params.timeout.",
    )


@pytest.mark.parametrize(
    "model, target, fallbacks",
    [
        ("glm", "z.ai/glm-5", []),
        ("openrouter", "openrouter/qwen/qwen3.6-plus:free", []),
        ("anthropic/claude-opus-5", "anthropic/claude-opus-5", ["z.ai/glm-5"]),
        ("claude-opus-5", "anthropic/claude-opus-5", ["z.ai/glm-5"]),
        ("claude-haiku-4", "anthropic/claude-haiku-4", ["z.ai/glm-5-air"]),
        ("anthropic/claude-haiku-4", "anthropic/claude-haiku-4", ["z.ai/glm-5-air"]),
        ("gpt-5", None, []),
    ],
)
def test_what_the_config_of_a_team_routes(
    model: str, target: str | None, fallbacks: list[str]
) -> None:
    profile = parse(TEAM, **ENVIRON)
    found = profile.target(model)
    assert (found and str(found)) == target
    assert [str(each) for each in profile.fallback_targets(model)] == fallbacks


def test_unset_variables() -> None:
    profile = parse(TEAM)
    assert {name: each.missing for name, each in profile.providers.items() if each.missing} == {
        "z.ai": ("ZAI_API_KEY",),
        "kimi.com": ("KIMI_API_KEY", "TEAM"),
        "openrouter": ("OPENROUTER_API_KEY",),
    }


@pytest.mark.parametrize(
    "params, name",
    [
        ({"model": "anthropic/claude-opus-5"}, "anthropic"),
        ({"model": "claude-opus-5"}, "anthropic"),
        ({"model": "anthropic/x", "api_base": "https://api.anthropic.com/v1"}, "anthropic"),
        ({"model": "anthropic/x", "api_base": "https://claude.corp"}, "claude.corp"),
        ({"model": "anthropic/x", "api_base": "https://anthropic"}, "anthropic-2"),
        ({"model": "anthropic/x", "api_base": "os.environ/UNSET"}, "anthropic-2"),
        ({"model": "openai/x", "api_base": "https://api.z.ai/v4"}, "z.ai"),
        ({"model": "openai/x", "api_base": "http://[::1]:8000/v1"}, "1-8000"),
        ({"model": "openai/x", "api_base": "http://LOCALHOST:8000/v1"}, "localhost-8000"),
        ({"model": "gpt-5"}, "openai"),
        ({"model": "openai/x", "api_base": "https://api.openai.com/v1"}, "openai"),
        ({"model": "x/y", "custom_llm_provider": "openrouter"}, "openrouter"),
    ],
)
def test_names_of_providers(params: dict[str, Any], name: str) -> None:
    assert only(**params).name == name


CLAUDE = {"model": "anthropic/claude-*", "model_name": "claude-*"}


@pytest.mark.parametrize(
    "keys, environ, auth, tokens",
    [
        (["a"], {}, "x-api-key", ()),
        (["a", "a"], {}, "x-api-key", ()),
        (["a", "b"], {}, "pool", ("a", "b")),
        (["a", None], {}, "pool", ("a",)),
        ([None], {"CLAUDE_OAUTH_TOKENS": "s,t"}, "pool", ("s", "t")),
        (["a"], {"CLAUDE_OAUTH_TOKENS": "s,t"}, "pool", ("s", "t")),
        (["a"], {"CLAUDE_TOKEN_MODE": "passthrough"}, "pool", ("a",)),
        (["os.environ/K", "b"], {}, "pool", ("b",)),
    ],
)
def test_keys_of_anthropic(
    keys: list[str | None], environ: dict[str, str], auth: str, tokens: tuple[str, ...]
) -> None:
    profile = parse(config(*({**CLAUDE, "api_key": key} for key in keys)), **environ)
    assert list(profile.providers) == ["anthropic"]
    assert profile.providers["anthropic"].auth == auth
    assert profile.pool.tokens == tokens
    assert profile.pool.mode == environ.get("CLAUDE_TOKEN_MODE", "rotate")
    assert ("CLAUDE_OAUTH_TOKENS is set" in str(profile.warnings)) == (
        "a" in keys and tokens == ("s", "t")
    )


def test_anthropic_has_one_set_of_headers() -> None:
    profile = parse(config(CLAUDE, {**CLAUDE, "extra_headers": {"anthropic-beta": "x"}}))
    assert profile.providers["anthropic"].headers == {}
    assert profile.warnings == (
        "model_list[1].litellm_params.extra_headers is ignored:"
        " all Anthropic models use the headers of the first entry.",
    )


def test_a_claude_token_in_extra_headers_is_anthropics() -> None:
    profile = parse(
        config(
            {**CLAUDE, "extra_headers": {"Authorization": "Bearer sk-ant-oat01-x"}},
            {**CLAUDE, "extra_headers": {"Authorization": "Bearer sk-ant-oat01-y"}},
        )
    )
    assert profile.providers["anthropic"].auth == "pool"
    assert profile.pool.tokens == ("sk-ant-oat01-x", "sk-ant-oat01-y")
    assert profile.providers["anthropic"].headers == {}


def test_one_provider_for_each_account() -> None:
    glm = {"model": "openai/glm", "api_base": "https://api.z.ai/v4", "api_key": "a"}
    profile = parse(
        config(
            {**glm, "model_name": "a"},
            {**glm, "model_name": "b", "model": "openai/glm-air"},
            {**glm, "model_name": "c", "api_key": "b"},
            {**glm, "model_name": "d", "extra_headers": {"x-a": "b"}},
            {**glm, "model_name": "e", "model": "anthropic/glm"},
        )
    )
    assert [str(profile.target(name)) for name in "abcde"] == [
        "z.ai/glm",
        "z.ai/glm-air",
        "z.ai-2/glm",
        "z.ai-3/glm",
        "z.ai-4/glm",
    ]


def test_entries_of_the_same_name() -> None:
    other = {"model": "openai/m", "api_base": "https://b/v1", "model_name": "m"}
    profile = parse(
        config(
            {**other, "api_base": "https://a/v1"},
            other,
            other,
            {**CLAUDE, "model_name": "anthropic/*", "model": "anthropic/*"},
            {"model": "openrouter/anthropic/*", "model_name": "anthropic/*", "api_key": "k"},
            router_settings={"fallbacks": [{"anthropic/*": ["m"]}, {"m": ["anthropic/claude-x"]}]},
        )
    )
    assert str(profile.target("m")) == "a/m"
    assert [str(each) for each in profile.fallback_targets("m")] == ["b/m", "anthropic/claude-x"]
    assert str(profile.target("claude-y")) == "anthropic/claude-y"
    for name in ("claude-y", "anthropic/claude-y"):
        assert [str(each) for each in profile.fallback_targets(name)] == [
            "openrouter/anthropic/claude-y",
            "a/m",
        ]


@pytest.mark.parametrize(
    "name, model, asked, target",
    [
        ("*", "*", "claude-x", "anthropic/claude-x"),
        ("*", "openrouter/*", "qwen/qwen3", "openrouter/qwen/qwen3"),
        ("claude-*", "openai/gpt-5", "claude-x", "openai/gpt-5"),
        ("anthropic/claude-*", "anthropic/claude-*", "claude-x", "anthropic/claude-x"),
        ("anthropic/claude-x", "anthropic/claude-y", "claude-x", "anthropic/claude-y"),
        ("anthropic/*", "openrouter/anthropic/*", "claude-x", "openrouter/anthropic/claude-x"),
        ("anthropic/*", "openai/gpt-5", "claude-x", "openai/gpt-5"),
        ("openai/*", "openai/*", "openai/gpt-5", "openai/gpt-5"),
    ],
)
def test_patterns(name: str, model: str, asked: str, target: str) -> None:
    profile = parse(config({"model_name": name, "model": model}))
    assert str(profile.target(asked)) == target


def test_models_that_the_file_names_are_kept() -> None:
    profile = parse(
        config(
            {"model_name": "anthropic/*", "model": "anthropic/*"},
            {"model_name": "claude-*", "model": "openrouter/anthropic/claude-*"},
        )
    )
    assert str(profile.target("claude-x")) == "openrouter/anthropic/claude-x"


def test_fallbacks_in_either_section() -> None:
    text = config(
        {"model_name": "a", "model": "anthropic/a"},
        {"model_name": "b", "model": "anthropic/b"},
        litellm_settings={"fallbacks": [{"a": ["b"], "b": ["a"]}]},
        router_settings=None,
    )
    profile = parse(text)
    assert [str(each) for each in profile.fallback_targets("a")] == ["anthropic/b"]
    assert [str(each) for each in profile.fallback_targets("b")] == ["anthropic/a"]
    assert profile.warnings == ()


@pytest.mark.parametrize(
    "text, message",
    [
        ("model_list: []", "model_list: expected a list of at least one model, got an empty list"),
        ("model_list:", "model_list: expected a list of at least one model, got nothing"),
        ("model_list: {a: b}", "model_list: expected a list, got a mapping"),
        ("model_list: [a]", "model_list[0]: expected a mapping, got a string"),
        (
            "model_list: [{model_name: a}]",
            "model_list[0].litellm_params.model: expected a model name, got nothing",
        ),
        (
            "model_list: [{litellm_params: {model: gpt-5}}]",
            "model_list[0].model_name: expected a model name, got nothing",
        ),
        (
            "model_list: [{model_name: a, litellm_params: x}]",
            "model_list[0].litellm_params: expected a mapping, got a string",
        ),
        (
            config({"model": "bedrock/claude"}, {"model": "azure/gpt-5"}),
            "model_list[0].litellm_params.model: expected a model without a prefix or with one of "
            "anthropic/, openai/, openrouter/, ",
        ),
        (
            config({"model": "openai/text-embedding-3-small"}),
            "model_list[0].litellm_params.model: expected a model that answers messages, got ",
        ),
        (
            config({"model": "command-r-plus"}),
            "model_list[0].litellm_params.model: expected the provider before the name, as in "
            "openai/command-r-plus, got 'command-r-plus'",
        ),
        (
            config({"model": "gpt-5", "custom_llm_provider": "azure"}),
            "model_list[0].litellm_params.model: expected a model without a prefix or with one of",
        ),
        (
            config({"model": "openai/"}),
            "model_list[0].litellm_params.model: expected openai/ followed by a model name",
        ),
        (
            config({"model": "openai/*"}),
            "model_list[0].litellm_params.model: expected no more `*` than in 'x'",
        ),
        (
            config({"model": "os.environ/MODEL"}),
            "model_list[0].litellm_params.model: ${MODEL} is not set",
        ),
        (
            config({"model": "hosted_vllm/m"}),
            "model_list[0].litellm_params.api_base: expected an http(s) URL, got nothing",
        ),
        (
            config({"model": "openai/m", "api_base": "localhost:8000"}),
            "model_list[0].litellm_params.api_base: expected an http(s) URL with only host, port and "
            "path, got 'localhost:8000'",
        ),
        (
            config({"model": "openai/m", "api_base": "http://[x/v1"}),
            "model_list[0].litellm_params.api_base: expected an http(s) URL with only host, port",
        ),
        (
            config({"model": "openai/m", "api_base": 8000}),
            "model_list[0].litellm_params.api_base: expected an http(s) URL, got 8000",
        ),
        (
            config({"model": "openai/m", "api_key": 123456}),
            "model_list[0].litellm_params.api_key: expected a string, got a value of type int",
        ),
        (
            config({"model": "openai/m", "api_key": "os.environ/MY-KEY"}),
            "model_list[0].litellm_params.api_key: expected ${NAME} or ${NAME:-default}, got ",
        ),
        (
            config({**CLAUDE, "api_key": "hunter 2"}, {**CLAUDE, "api_key": "b"}),
            "model_list[0].litellm_params.api_key: expected tokens with only visible ASCII characters",
        ),
        (
            config({"model": "gpt-5", "extra_headers": {"Authorization": "Basic hunter2"}}),
            "model_list[0].litellm_params.extra_headers.Authorization: expected a key, or Bearer and a "
            "key, got another form",
        ),
        (
            config({"model": "gpt-5"}, router_settings={"fallbacks": [{"x": ["nope"]}]}),
            "router_settings.fallbacks[0].x[0]: expected one of the models x, got 'nope'",
        ),
        (
            config({"model": "gpt-5"}, router_settings={"fallbacks": [{"x": [{"model": "y"}]}]}),
            "router_settings.fallbacks[0].x[0]: expected a model name, got a mapping",
        ),
        (
            config({"model": "gpt-5"}, router_settings={"fallbacks": {"x": ["y"]}}),
            "router_settings.fallbacks: expected a list of {model: [models]}, got a mapping",
        ),
        (
            config({"model": "gpt-5"}, litellm_settings=[]),
            "litellm_settings: expected a mapping, got a list",
        ),
        ("model_list: &a [*a]", "expected at most 100 levels of nesting, got more"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^config.yaml: line 1: {re.escape(message)}") as e:
        parse(text)
    assert "\n" not in str(e.value)
    assert not any(secret in str(e.value) for secret in ("123456", "hunter"))


@pytest.mark.parametrize(
    "right, wrong, message",
    [
        (
            "api_base: https://api.kimi.com/coding/",
            "api_base: 8000",
            "line 16: model_list[2].litellm_params.api_base: expected an http(s) URL, got 8000",
        ),
        (
            "X-Team: os.environ/TEAM",
            "Host: x",
            "line 18: model_list[2].litellm_params.extra_headers.Host: expected a header other than",
        ),
        (
            "      model: openrouter/qwen/qwen3.6-plus:free\n",
            "",
            "line 20: model_list[3].litellm_params.model: expected a model name, got nothing",
        ),
        (
            "[glm]",
            "[glmm]",
            "line 31: router_settings.fallbacks[1].anthropic/*[0]: expected one of the models glm, ",
        ),
        (
            "drop_params: true",
            "drop_params: true, drop_params: no",
            "line 33: litellm_settings.drop_params: duplicate key (the first is on",
        ),
    ],
)
def test_an_error_names_the_line_of_the_config(right: str, wrong: str, message: str) -> None:
    assert TEAM.count(right) == 1
    with pytest.raises(ValueError, match=f"^config.yaml: {re.escape(message)}"):
        parse(TEAM.replace(right, wrong))


def test_defaults_merged_into_each_entry() -> None:
    profile = parse(
        "x-defaults: &defaults\n"
        "  api_base: https://api.z.ai/api/anthropic\n"
        "  api_key: os.environ/ZAI_API_KEY\n"
        "model_list:\n"
        "- model_name: glm\n"
        "  litellm_params: {<<: *defaults, model: anthropic/glm-5}\n"
        "- model_name: fast\n"
        "  litellm_params: {<<: *defaults, model: anthropic/glm-5-air}\n"
        "litellm_settings: {drop_params: yes, cache: off}\n",
        **ENVIRON,
    )
    assert [str(profile.target(name)) for name in ("glm", "fast")] == [
        "z.ai/glm-5",
        "z.ai/glm-5-air",
    ]
    assert [each.api_key for each in profile.providers.values()] == ["zai-secret"]


# What is left out


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (
            {"model": "azure/gpt-5", "api_base": "https://x.azure.com"},
            "without a prefix or with one",
        ),
        ({"model": "bedrock/anthropic.claude"}, "without a prefix or with one"),
        ({"model": "qwen/qwen3", "api_base": "http://gpu/v1"}, "without a prefix or with one"),
        ({"model": "m", "custom_llm_provider": "vertex_ai"}, "without a prefix or with one"),
        ({"model": "openai/text-embedding-3-small"}, "that answers messages"),
        ({"model": "cohere/rerank-v3"}, "without a prefix or with one"),
        ({"model": "openai/whisper-1"}, "that answers messages"),
        ({"model": "hosted_vllm/bge-embed", "api_base": "http://gpu/v1"}, "that answers messages"),
        ({"model": "mystery-7b"}, "the provider before the name, as in openai/mystery-7b"),
    ],
)
def test_what_can_not_be_taken_is_left_out_and_the_rest_starts(
    params: dict[str, Any], why: str
) -> None:
    profile = parse(
        config(
            {**CLAUDE, "model_name": "claude-x", "model": "anthropic/claude-x"},
            {**params, "model_name": "other"},
            router_settings={
                "fallbacks": [{"claude-x": ["other"]}, {"other": ["claude-x"]}],
                "model_group_alias": {"alias": "other"},
            },
        )
    )
    assert list(profile.models) == ["claude-x"]
    assert profile.fallback_targets("claude-x") == ()
    warning = [each for each in profile.warnings if each.startswith("other is left out: ")]
    assert len(warning) == 1
    assert (
        f"model_list[1].litellm_params.model: expected a model {why}".replace("a model the", "the")
        in warning[0]
    )
    for name in ("other", "alias"):
        assert profile.left_out.find(name)
    assert profile.left_out.find("claude-x") is None


def test_a_name_that_another_entry_answers_is_not_left_out() -> None:
    profile = parse(
        config(
            {"model": "azure/gpt-5", "model_name": "m"},
            {"model": "openai/gpt-5", "model_name": "m"},
        )
    )
    assert str(profile.target("m")) == "openai/gpt-5"
    assert profile.left_out.find("m") is None


@pytest.mark.parametrize(
    ("model", "provider", "host"),
    [
        ("claude-opus-5-5", "anthropic", "api.anthropic.com"),
        ("gpt-5", "openai", "api.openai.com"),
        ("o4-mini", "openai", "api.openai.com"),
        ("chatgpt-4o-latest", "openai", "api.openai.com"),
        ("gemini-2.5-flash", "gemini", "generativelanguage.googleapis.com"),
    ],
)
def test_a_name_without_a_prefix_goes_to_its_own_company(
    model: str, provider: str, host: str
) -> None:
    made = only(model=model)
    assert (made.name, made.host) == (provider, host)


@pytest.mark.parametrize(
    "model", ["mistral-large", "deepseek-chat", "qwen3-coder", "grok-4", "llama"]
)
def test_a_name_without_a_prefix_is_never_guessed(model: str) -> None:
    with pytest.raises(ValueError, match=f"expected the provider before the name.*{model}"):
        only(model=model)
    assert only(model=model, api_base="http://gpu:8000/v1").host == "gpu"


def test_every_model_without_a_prefix_is_not_anthropics() -> None:
    profile = parse(config({"model_name": "*", "model": "*"}))
    assert str(profile.target("claude-x")) == "anthropic/claude-x"
    assert profile.target("gpt-5") is None


# Hosts


@pytest.mark.parametrize(
    "base",
    [
        "https://generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com/v1beta",
        "https://generativelanguage.googleapis.com/v1beta/models/",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        None,
    ],
)
def test_gemini_at_googles_host(base: str | None) -> None:
    provider = only(model="gemini/gemini-2.5-flash", api_base=base, environ={"GEMINI_API_KEY": "k"})
    assert provider.base_url == "https://generativelanguage.googleapis.com/v1beta/openai"
    assert (provider.name, provider.auth, provider.api_key) == ("gemini", "bearer", "k")


def test_a_companys_own_host_has_its_key() -> None:
    base = "https://api.openai.com/v1/"
    assert only(api_base=base).missing == ("OPENAI_API_KEY",)
    assert only(api_base=base, environ={"OPENAI_API_KEY": "k"}).api_key == "k"
    assert only(api_base="https://gateway.corp/v1", environ={"OPENAI_API_KEY": "k"}).api_key is None


GATEWAY = "https://gateway.corp/anthropic"


@pytest.mark.parametrize(
    ("params", "auth"),
    [
        ({}, "pool"),
        ({"api_key": "sk-ant-api03-x"}, "x-api-key"),
        ({"api_key": "os.environ/OAT"}, "bearer"),
        ({"extra_headers": {"authorization": "Bearer sk-ant-oat01-x"}}, "bearer"),
        ({"api_key": "key-of-the-gateway"}, None),
        ({"api_key": "os.environ/UNSET"}, None),
    ],
)
def test_all_of_claude_at_a_gateway_is_anthropic(params: dict[str, Any], auth: str | None) -> None:
    environ = {"OAT": "sk-ant-oat01-x"}
    entry = {"model": "anthropic/*", "model_name": "anthropic/*", "api_base": GATEWAY, **params}
    profile = parse(config(entry), **environ)
    target = profile.target("claude-opus-5-5")
    assert target
    assert target.provider.base_url == GATEWAY
    assert (target.provider.is_anthropic, target.provider.auth) == (
        (True, auth) if auth else (False, "x-api-key")
    )


def test_anthropic_at_two_hosts() -> None:
    profile = parse(
        config(
            {"model": "anthropic/*", "model_name": "anthropic/*", "api_base": GATEWAY},
            {"model": "claude-x", "model_name": "claude-x", "api_key": "sk-ant-api03-x"},
        )
    )
    assert {name: each.base_url for name, each in profile.providers.items()} == {
        "anthropic": GATEWAY,
        "anthropic-2": "https://api.anthropic.com",
    }


# Aliases


def test_model_group_alias() -> None:
    profile = parse(
        config(
            {"model": "openai/gpt-5", "model_name": "gpt"},
            {"model": "openai/gpt-5-mini", "model_name": "gpt"},
            {"model": "openrouter/*", "model_name": "or/*", "api_key": "k"},
            {"model": "openai/o4-mini", "model_name": "small"},
            router_settings={
                "fallbacks": [{"gpt": ["small"]}],
                "model_group_alias": {
                    "claude-sonnet-5-5": "gpt",
                    "claude-opus-5-5": {"model": "gpt", "hidden": True},
                    "claude-haiku-5": "or/qwen/qwen3",
                    "small": "gpt",
                    "lost": "nowhere",
                },
            },
        ),
        OPENAI_API_KEY="k",
    )
    for name in ("claude-sonnet-5-5", "claude-opus-5-5"):
        assert str(profile.target(name)) == "openai/gpt-5"
        assert [str(each) for each in profile.fallback_targets(name)] == [
            "openai/gpt-5-mini",
            "openai/o4-mini",
        ]
    assert str(profile.target("claude-haiku-5")) == "openrouter/qwen/qwen3"
    assert str(profile.target("small")) == "openai/o4-mini", "a model of its own"
    assert profile.warnings[0] == (
        "router_settings.model_group_alias.lost is left out: there is no model nowhere here."
    )
    assert profile.left_out.find("lost")


SHIPPED = Path(__file__).with_name("team_config.yaml")
KEYS = {"ZAI_API_KEY": "zai", "OPENROUTER_API_KEY": "or", "KIMI_API_KEY": "kimi"}


def test_a_config_with_all_keys_starts_unchanged() -> None:
    environ = {**KEYS, "CLAUDE_OAUTH_TOKENS": "sk-ant-oat-token1,sk-ant-oat-token2"}
    profile = profiles.read(SHIPPED, environ)
    assert {
        name: (provider.base_url, provider.api, provider.api_key, dict(provider.headers))
        for name, provider in profile.providers.items()
    } == {
        "anthropic": ("https://api.anthropic.com", "anthropic", None, {}),
        "z.ai": ("https://api.z.ai/api/anthropic", "anthropic", "zai", {}),
        "openrouter.ai": ("https://openrouter.ai/api/v1", "openai", "or", {}),
        "kimi.com": ("https://api.kimi.com/coding", "anthropic", "kimi", {}),
    }
    assert profile.providers["anthropic"].auth == "pool"
    assert profile.pool.tokens == ("sk-ant-oat-token1", "sk-ant-oat-token2")
    assert profile.pool.mode == "rotate"
    assert profile.warnings[0] == (
        "litellm_settings.master_key and general_settings.custom_auth guard nothing here: without"
        " PROXY_STATIC_TOKEN, every program on this machine may use this proxy."
    )


@pytest.mark.parametrize(
    ("model", "target", "fallbacks"),
    [
        ("glm", "z.ai/glm-5", []),
        ("glm-fast", "z.ai/glm-5-air", []),
        ("openrouter", "openrouter.ai/qwen/qwen3.6-plus:free", []),
        ("kimi", "kimi.com/kimi-for-coding", []),
        ("claude-opus-5-5", "anthropic/claude-opus-5-5", ["z.ai/glm-5"]),
        ("anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5", ["z.ai/glm-5"]),
        ("claude-haiku-5", "anthropic/claude-haiku-5", ["z.ai/glm-5-air"]),
        ("anthropic/claude-haiku-5", "anthropic/claude-haiku-5", ["z.ai/glm-5-air"]),
        ("gpt-5", None, []),
    ],
)
def test_what_it_routes(model: str, target: str | None, fallbacks: list[str]) -> None:
    profile = profiles.read(SHIPPED, KEYS)
    found = profile.target(model)
    assert (found and str(found)) == target
    assert [str(each) for each in profile.fallback_targets(model)] == fallbacks


def test_it_starts_without_any_variable() -> None:
    profile = profiles.read(SHIPPED, {})
    missing = [each for each in profile.warnings if "cannot be used" in each]
    assert len(missing) == 3
