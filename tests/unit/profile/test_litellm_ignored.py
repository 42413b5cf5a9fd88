from __future__ import annotations

from typing import Any

import pytest

from claude_route.profile import litellm_ignored
from claude_route.profile import values
from tests.unit.litellm_configs import config
from tests.unit.litellm_configs import parse


@pytest.mark.parametrize(
    ("settings", "guards"),
    [
        ({"general_settings": {"master_key": "k"}}, "general_settings.master_key guards nothing"),
        ({"litellm_settings": {"master_key": "k"}}, "litellm_settings.master_key guards nothing"),
        (
            {"general_settings": {"master_key": "k", "custom_auth": "a.b"}},
            "general_settings.master_key and general_settings.custom_auth guard nothing",
        ),
        ({"general_settings": {"x": 1}}, ""),
        ({}, ""),
    ],
)
def test_what_guarded_litellm(settings: dict[str, Any], guards: str) -> None:
    text = config({"model": "gpt-5"}, **settings)
    for environ, then in (
        ({}, "without PROXY_STATIC_TOKEN, every program on this machine may use this proxy."),
        ({"PROXY_STATIC_TOKEN": "t"}, "clients present PROXY_STATIC_TOKEN."),
    ):
        warnings = [each for each in parse(text, **environ).warnings if "nothing here" in each]
        assert warnings == ([f"{guards} here: {then}"] if guards else [])


def test_settings_without_an_equivalent_are_named_once_each() -> None:
    entry = {"model_name": "a", "litellm_params": {"model": "m", "timeout": 9}, "model_info": {}}
    raw = {
        "model_list": [entry, entry],
        "router_settings": {"fallbacks": [], "num_retries": 1},
        "litellm_settings": {"callbacks": "x"},
        "environment_variables": {},
    }
    ignored = litellm_ignored.ignored(values.Value(raw, {}))
    assert [setting.value.path for setting in ignored][:2] == [
        "environment_variables",
        "router_settings.num_retries",
    ]
    assert litellm_ignored.summary(ignored) == [
        "Ignored LiteLLM settings: environment_variables, router_settings.num_retries, "
        "litellm_settings.callbacks, model_list[].model_info, model_list[].litellm_params.timeout."
    ]
    assert litellm_ignored.summary([]) == []
