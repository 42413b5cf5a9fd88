"""Helpers for tests of LiteLLM configs: one in JSON, which YAML contains, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

from claude_route import targets
from claude_route.profile import profiles


def parse(text: str, **environ: str) -> profiles.Profile:
    return profiles.parse(text, environ, "config.yaml")


def config(*deployments: dict[str, Any], **more: Any) -> str:
    """A config with these `litellm_params`, each with its `model_name` in it."""
    entries = [
        {"model_name": params.pop("model_name", "x"), "litellm_params": params}
        for params in map(dict, deployments)
    ]
    return json.dumps({"model_list": entries, **more}, ensure_ascii=False)


def only(**params: Any) -> targets.Provider:
    """The provider of a config with one entry."""
    environ = params.pop("environ", {})
    (provider,) = parse(config({"model": "openai/gpt-5", **params}), **environ).providers.values()
    return provider
