"""The comments in the list of flows: one line each."""

from __future__ import annotations

import re

from mitmproxy import http

from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.text import layout
from claude_route.text import quantities

LIMIT = 60
"""Characters; more doesn't fit beside the other columns."""

_DATED = re.compile(r"-(?:20\d{6}|latest)(?=$|\[)")


def model(name: str) -> str:
    """`claude-opus-5-5-20251101` -> `opus-5-5`"""
    name = name.removeprefix("anthropic/").removeprefix("claude-")
    return _DATED.sub("", name) or "?"


def target(client_model: str, name: str) -> str:
    """`zai/glm-5`; where a provider has the model under the client's name, the provider alone."""
    provider, slash, upstream = name.partition("/")
    if model(upstream) == model(client_model):
        return provider
    # OpenRouter's `qwen/qwen3.6-plus` says the vendor, too.
    return f"{provider}{slash}{upstream.rpartition('/')[2].removeprefix('claude-')}"


def _who(client_model: str, upstream: str) -> str:
    name = model(client_model)
    return f"{name} → {target(client_model, upstream)}" if upstream else name


def passed(method: str, path: str, why: str = "") -> str:
    """`GET /v1/models`, for what goes through as it is; `why` it got no answer."""
    asked = f"{method} {path.partition('?')[0]}"
    if not why:
        return layout.clip(asked, LIMIT)
    return _fit(f"✗ {asked}", [layout.clip(why, LIMIT // 2)])


def waiting(client_model: str) -> str:
    return _fit(f"{model(client_model)} → …" if client_model else "…", [])


def answered(
    client_model: str,
    upstream: str,
    attempts: int,
    used: usage.Usage | None,
    seconds: float,
    *,
    output: int | None = None,
) -> str:
    """`opus-5-5 → zai/glm-5 · try 2 · 21.3k in / 156 out · 4.1 s`

    While the answer runs, `output` is about how much of it there is.
    """
    rest = [f"try {attempts}"] if attempts > 1 else []
    if used is not None:
        out = (
            f"~{quantities.short(output)}" if output is not None else quantities.short(used.output)
        )
        rest.append(f"{quantities.short(used.prompt)} in / {out} out")
    rest.append(quantities.seconds(seconds) + ("…" if output is not None else ""))
    return _fit(_who(client_model, upstream), rest)


def counted(client_model: str, upstream: str, tokens: int, seconds: float) -> str:
    """`opus-5-5 → zai · counted 21.3k · 0.2 s`, for an answer of count_tokens."""
    rest = [f"counted {quantities.short(tokens)}", quantities.seconds(seconds)]
    return _fit(_who(client_model, upstream), rest)


def failed(client_model: str, upstream: str, attempts: int, why: str) -> str:
    """`✗ opus-5-5 → zai/glm-5 · try 3 · 529 overloaded_error`"""
    who = f"✗ {_who(client_model, upstream)}" if client_model else "✗"
    rest = [f"try {attempts}"] if attempts > 1 else []
    return layout.clip(" · ".join([who, *rest, layout.one_line(why, LIMIT)]), LIMIT)


def attempt_failed(who: str, why: str, then: str) -> str:
    """`✗ token 2 …wxyz 429, rests 3600 s → zai/glm-5`: who was asked, and who is asked next,
    whatever has to be left out between the two."""
    after = f" → {then}" if then else ""
    return layout.clip(f"✗ {who} {why}", LIMIT - len(after)) + after


def following(then: contract.Try | http.Response | None) -> str:
    """Who is asked after an attempt that failed; empty if nobody is."""
    if isinstance(then, contract.Try):
        return then.token or then.target
    return "answered by the proxy" if then else ""


def why(failed: contract.FailedAttempt) -> str:
    """`429, rests 3600 s`: what went wrong, and what becomes of the token."""
    return ", ".join([failed.outcome.why, *(effect.text(failed.at) for effect in failed.effects)])


def _fit(who: str, rest: list[str]) -> str:
    """Rather the numbers than all of a long name."""
    tail = "".join(f" · {part}" for part in rest)
    return layout.clip(who, LIMIT - len(tail)) + tail
