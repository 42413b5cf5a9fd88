"""The comments in the list of flows: one line each."""

from __future__ import annotations

import re

from mitmproxy import http

from claude_route.access import live_secrets
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.text import layout
from claude_route.text import quantities

LIMIT = 70
"""The longest comment, in characters, apart from the words of the prompt and from reasons."""

WHOLE = 1000
"""The width of a line in the log, where no name has to be shortened."""

LONGEST = 300
"""Characters of a provider's words that are shown."""

_DATED = re.compile(r"-(?:20\d{6}|latest)(?=$|\[)")


def model(name: str) -> str:
    """`claude-opus-5-5-20251101` -> `opus-5-5`"""
    name = layout.visible(name).removeprefix("anthropic/").removeprefix("claude-")
    return _DATED.sub("", name) or "?"


def target(client_model: str, name: str) -> str:
    """`zai/glm-5`; only the provider if it uses the client's name for the model."""
    provider, slash, upstream = layout.visible(name).partition("/")
    if model(upstream) == model(client_model):
        return provider
    # Omit the vendor in names such as OpenRouter's `qwen/qwen3.6-plus`.
    return f"{provider}{slash}{upstream.rpartition('/')[2].removeprefix('claude-')}"


def _who(client_model: str, upstream: str) -> str:
    name = model(client_model)
    return f"{name} → {target(client_model, upstream)}" if upstream else name


def passed(method: str, path: str, why: str = "", *, width: int = LIMIT) -> str:
    """`GET /v1/models`, for a request that passes through; `why` says why it got no answer."""
    line = layout.visible(f"{method} {path.partition('?')[0]}")
    if not why:
        return layout.clip(line, width)
    return _fit(f"✗ {line}", [layout.one_line(why, width // 2)], width)


def waiting(client_model: str) -> str:
    return _fit(f"{model(client_model)} → …" if client_model else "…", [], LIMIT)


def answered(
    client_model: str,
    upstream: str,
    attempts: int,
    used: usage.Usage | None,
    seconds: float,
    *,
    output: int | None = None,
    cost: float | None = None,
    width: int = LIMIT,
) -> str:
    """`opus-5-5 → zai/glm-5 · try 2 · 21.3k in / 156 out · 4.1 s · $0.0214`

    While the answer streams, `output` is the estimated number of tokens so far.
    """
    rest = [f"try {attempts}"] if attempts > 1 else []
    if used is not None:
        out = (
            f"~{quantities.short(output)}" if output is not None else quantities.short(used.output)
        )
        rest.append(f"{quantities.short(used.prompt)} in / {out} out")
    rest.append(quantities.seconds(seconds) + ("…" if output is not None else ""))
    if cost is not None:
        rest.append(quantities.dollars(cost))
    return _fit(_who(client_model, upstream), rest, width)


def counted(
    client_model: str, upstream: str, tokens: int, seconds: float, *, width: int = LIMIT
) -> str:
    """`opus-5-5 → zai · counted 21.3k · 0.2 s`, for an answer of count_tokens."""
    rest = [f"counted {quantities.short(tokens)}", quantities.seconds(seconds)]
    return _fit(_who(client_model, upstream), rest, width)


def failed(client_model: str, upstream: str, attempts: int, why: str, *, width: int = LIMIT) -> str:
    """`✗ opus-5-5 → zai/glm-5 · try 3 · 529 overloaded_error`"""
    who = f"✗ {_who(client_model, upstream)}" if client_model else "✗"
    rest = [f"try {attempts}"] if attempts > 1 else []
    return layout.clip(" · ".join([who, *rest, layout.one_line(why, width)]), width)


def check(comment: str) -> str:
    """`auto-mode check · sonnet-5 → anthropic · 2.1k in / 5 out`, for a request that asks whether a tool
    call may run."""
    return f"auto-mode check · {comment}"


def asked(prompt: str, comment: str, *, is_agent: bool) -> str:
    """`↳ Fix the parser · opus-5-5 → …`: the comment, after what a request asks. The arrow is for those of
    subagents. That of a failure still begins with ✗."""
    arrow = "↳ " if is_agent else ""
    return _after_mark(arrow + (f"{layout.one_line(prompt)} · " if prompt else ""), comment)


def compared(comment: str) -> str:
    """`compare · Fix the parser · glm → zai/glm-5`, for a request that a user has sent again to compare
    answers."""
    return _after_mark("compare · ", comment)


def _after_mark(words: str, comment: str) -> str:
    """The words before a comment, but after the mark of a failure."""
    if not words or not comment.startswith("✗ "):
        return words + comment
    return f"✗ {words}{comment[2:].removeprefix('· ')}"


def about(comment: str, prompt: str) -> str:
    """The comment of a failed attempt, before what its request asks: several sessions' rows are mixed."""
    return f"{comment} · {layout.one_line(prompt)}" if prompt else comment


def with_reason(comment: str, passed_over: str) -> str:
    """The comment, and why targets before the one that answered were passed over. The reason may go
    beyond LIMIT: the list cuts it off where its column ends."""
    if not passed_over:
        return comment
    return f"{comment} · passed over: {layout.clip(layout.visible(passed_over), LIMIT)}"


def attempt_failed(client_model: str, who: str, why: str, then: str) -> str:
    """`✗ opus-5-5 · token 2 …wxyz 429, rests 3600 s → zai/glm-5`. If it is too long, the middle is cut:
    who failed and who is next always show."""
    after = f" → {then}" if then else ""
    return layout.clip(f"✗ {model(client_model)} · {who} {why}", LIMIT - len(after)) + after


def following(then: contract.Try | http.Response | None) -> str:
    """What follows a failed attempt: the next one's token or target, or what the same target gets without
    what it refused; empty if nothing does."""
    if isinstance(then, contract.Try):
        return f"without {then.without}" if then.without else then.token or then.target
    return "answered by the proxy" if then else ""


def why(failed: contract.FailedAttempt) -> str:
    """`429, rests 3600 s`: the failure, and its effects on the token."""
    return ", ".join([failed.outcome.why, *(effect.text(failed.at) for effect in failed.effects)])


def words(failed: contract.FailedAttempt) -> str:
    """The provider's own words; empty if it gave none, or if the effects on a token say enough."""
    if failed.effects or not failed.outcome.kind.is_answer:
        return ""
    # Before they are cut: a part of a secret would not be found.
    text = live_secrets.hide_text(failed.outcome.fault.message)
    return layout.clip(error_body.clean(text), LONGEST)


def _fit(who: str, rest: list[str], width: int) -> str:
    """Shorten a long name, and keep the numbers."""
    tail = "".join(f" · {part}" for part in rest)
    return layout.clip(who, width - len(tail)) + tail
