"""Changes what a Claude model refuses of a request that was meant for another model.

Claude Code would mend a request that the model it asked for refuses. It doesn't know the fallback.
"""

from __future__ import annotations

import dataclasses

from claude_route import targets
from claude_route.dialects import claude_models

_WITHOUT_SAMPLING = "2026-10-21"
"""The version of the API from which on Anthropic refuses _SAMPLING, even at their defaults. Versions are
dates."""

_SAMPLING = ("temperature", "top_k", "top_p")


def fit(target: targets.Target, asked: targets.Target, version: str, mode: str) -> targets.Target:
    """The target as a request is written for that was meant for the `asked` one. `version` is the request's
    anthropic-version, `mode` its `thinking.type`."""
    if target == asked or not target.provider.is_anthropic:
        return target
    # Few models have a fast mode, each at its own price.
    omitted = ["speed"]
    if version >= _WITHOUT_SAMPLING:
        omitted += _SAMPLING
    provider, model = target.provider, target.model
    if mode and claude_models.refuses_thinking(model, mode):
        off = claude_models.off(model)
        if mode in ("disabled", "between_tools") and off:
            provider = dataclasses.replace(
                provider, set={"thinking": {"type": off}, **provider.set}
            )
        else:
            # Some edits of the context require the thinking that the request asks for.
            omitted += ("thinking", "context_management")
    models = (model, asked.model)
    if asked.provider.is_anthropic and any(map(claude_models.binds_thinking, models)):
        thinking = dataclasses.replace(provider.thinking, requests="all")
        provider = dataclasses.replace(provider, thinking=thinking)
    return targets.Target(provider, model).without(omitted)
