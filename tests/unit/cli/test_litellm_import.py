from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies

from claude_route.cli import litellm_import
from claude_route.profile import profiles
from claude_route.profile import yaml_loader

CONFIG = """
model_list:
  - model_name: glm
    litellm_params:
      model: anthropic/glm-5
      api_base: os.environ/ZAI_BASE
      api_key: os.environ/ZAI_API_KEY
      timeout: 600
  - model_name: glm
    litellm_params: {model: openai/gpt-5, api_key: "sk:#no", extra_headers: {x-y: "a: b # c"}}
    model_info: {mode: chat}
  - model_name: "yes"
    litellm_params:
      model: openrouter/qwen/qwen3.6-plus:free
      extra_headers: {X-Title: "on", X-Number: "7"}
  - model_name: anthropic/*
    litellm_params: {model: anthropic/*}
router_settings:
  num_retries: 2
  fallbacks: [{"anthropic/*": [glm]}]
litellm_settings: {callbacks: [a.b]}
general_settings: {master_key: os.environ/MASTER_KEY, what: 1}
"""

ENVIRON = {
    "ZAI_BASE": "https://api.z.ai/api/anthropic/v1",
    "ZAI_API_KEY": "zai-secret-0123",
    "OPENROUTER_API_KEY": "or-secret-0123",
}


def dump(config: Any) -> str:
    """JSON is YAML."""
    return json.dumps(config, ensure_ascii=False)


def imported(folder: Path, config: str, environ: dict[str, str]) -> str:
    path = folder / "config.yaml"
    path.write_text(config)
    return litellm_import.profile_text(path, environ)


def meaning(text: str, environ: dict[str, str]) -> profiles.Profile:
    return dataclasses.replace(profiles.parse(text, environ, "config.yaml"), warnings=())


@pytest.mark.parametrize(
    "environ",
    [
        {},
        ENVIRON,
        {**ENVIRON, "CLAUDE_OAUTH_TOKENS": "one,two"},
        {**ENVIRON, "CLAUDE_TOKEN_MODE": "passthrough"},
    ],
)
def test_the_profile_means_what_the_config_means(tmp_path: Path, environ: dict[str, str]) -> None:
    assert meaning(imported(tmp_path, CONFIG, environ), environ) == meaning(CONFIG, environ)


def test_several_keys_for_anthropic_are_a_pool(tmp_path: Path) -> None:
    config = dump(
        {
            "model_list": [
                {"model_name": "claude-x", "litellm_params": {"model": "claude-x", "api_key": key}}
                for key in ("sk-ant-api03-one", "os.environ/SECOND")
            ]
        }
    )
    environ = {"SECOND": "sk-ant-api03-two"}
    text = imported(tmp_path, config, environ)
    assert meaning(text, environ) == meaning(config, environ)
    assert len(meaning(text, environ).pool.tokens) == 2
    assert yaml_loader.load(text).raw["pool"]["tokens"][1] == "${SECOND}"


def test_keys_stay_in_their_variables(tmp_path: Path) -> None:
    text = imported(tmp_path, CONFIG, ENVIRON)
    assert "zai-secret" not in text
    assert yaml_loader.load(text).raw["providers"]["z.ai"]["api_key"] == "${ZAI_API_KEY}"


def test_a_comment_for_each_thing_that_differs(tmp_path: Path) -> None:
    text = imported(tmp_path, CONFIG, ENVIRON)
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    expected = [
        "From LiteLLM's config.yaml.",
        "glm: the first of its 2 entries answers, the others are its fallbacks.",
        "model_list[0].litellm_params.api_base: this is the current value of ZAI_BASE.",
        "general_settings.master_key is dropped: clients present PROXY_STATIC_TOKEN",
        "general_settings.what is dropped.",
        "router_settings.num_retries is dropped: no target is tried twice",
        "litellm_settings.callbacks is dropped: tokens",
        "model_list[0].litellm_params.timeout is dropped: a provider has first_byte_timeout",
        "model_list[1].model_info is dropped: a provider's `context`",
    ]
    for comment, start in zip(comments, expected, strict=True):
        assert comment.startswith(start)


def test_what_becomes_of_models_that_are_left_out(tmp_path: Path) -> None:
    models = {"*": "openai/*", "claude-x": "bedrock/x", "gpt": "azure/one", "glm": "zai/glm-5"}
    entries = [
        {"model_name": name, "litellm_params": {"model": model}} for name, model in models.items()
    ]
    again = {"model_name": "gpt", "litellm_params": {"model": "azure/two"}}
    fallbacks = [{"gpt": ["glm"]}, {"glm": ["gpt", "claude-x"]}]
    config = {"model_list": [*entries, again], "router_settings": {"fallbacks": fallbacks}}
    text = imported(tmp_path, dump(config), {})
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    assert [line for line in comments if "litellm_params.model: expected" not in line][1:] == [
        "router_settings.fallbacks[0].gpt is left out, because gpt is.",
        "Requests for claude-x go to openai/* with this profile, because a pattern matches.",
        "Requests for gpt go to openai/* with this profile, because a pattern matches.",
    ]
    assert yaml_loader.load(text).raw["fallbacks"] == {"glm": ["gpt", "claude-x"]}


def test_a_name_does_not_break_out_of_a_comment(tmp_path: Path) -> None:
    params = {"model": "openai/x", "api_key": "k", "bad\nopen: true": 1}
    entry = {"model_name": "a\nopen: true", "litellm_params": params}
    config = dump({"model_list": [entry, entry]})
    text = imported(tmp_path, config, {})
    assert meaning(text, {}) == meaning(config, {})
    assert not meaning(text, {}).open


@given(
    strategies.text(strategies.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
    strategies.sampled_from(
        ["yes", "~", "1e3", "0x1f", "2020-01-01", "a: b", "- a", "&a", "!x", "'"]
    ),
)
def test_any_text_is_quoted_where_it_must_be(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    params: dict[str, Any] = {"model": "openai/x", "extra_headers": {"x-a": value}}
    if "*" in name or "${" in name:
        return
    config = dump({"model_list": [{"model_name": name, "litellm_params": params}]})
    text = imported(tmp_path_factory.mktemp("import"), config, {})
    assert meaning(text, {}) == meaning(config, {})


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("providers: {a: {base_url: 'http://x'}}\nmodels: {m: a/m}", "expected a LiteLLM config"),
        ("model_list: []", "model_list: expected a list of at least one model"),
        ("model_list: {", "config.yaml: line"),
    ],
)
def test_what_is_no_config(tmp_path: Path, config: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        imported(tmp_path, config, {})
