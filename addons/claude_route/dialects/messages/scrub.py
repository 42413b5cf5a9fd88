"""Removes what a provider must not get: thinking of other providers, credentials, and fields that only
Anthropic understands."""

from __future__ import annotations

import msgspec

from claude_route import targets
from claude_route.dialects.messages import anthropic_history
from claude_route.dialects.messages import assistant_blocks
from claude_route.dialects.messages import foreign
from claude_route.dialects.messages import omissions
from claude_route.dialects.messages import quirks
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import schemas
from claude_route.dialects.messages import thinking_mode
from claude_route.dialects.messages import thinking_request
from claude_route.wire import http_message
from claude_route.wire import rawjson

OAUTH_BETA = "oauth-2025-04-20"

_NOT_FOR_ANTHROPIC = {
    *(b"proxy-authorization", b"x-claude-token-mode", b"x-litellm-api-key"),
    # What Anthropic's own gateway tells a proxy behind it, and refuses to tell Anthropic: who a user is.
    *(b"x-claude-gateway-user-id", b"x-claude-gateway-user-email", b"x-litellm-end-user-id"),
}

# The only client headers for other providers: an unknown header might be a credential.
_FOR_OTHERS = {
    *quirks.IDENTITY,
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"anthropic-version",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"host",
    b"transfer-encoding",
}
_FOR_OTHERS_TOO = b"x-stainless-"

VERSION = b"2023-06-01"
"""The version of the API that providers other than Anthropic offer, whatever the client asks for."""

# Anthropic's count_tokens refuses these, so a profile's `set` doesn't add them there.
_NOT_COUNTED = {
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
}


def headers(
    fields: http_message.Fields, provider: targets.Provider
) -> tuple[http_message.Field, ...]:
    """The client's headers that a provider may get.

    If the provider is Anthropic, they still contain the client's credential.
    """
    if provider.is_anthropic:
        return tuple(field for field in fields if field[0].lower() not in _NOT_FOR_ANTHROPIC)
    return tuple(
        (field[0], VERSION) if field[0].lower() == b"anthropic-version" else field
        for field in fields
        if field[0].lower() in _FOR_OTHERS or field[0].lower().startswith(_FOR_OTHERS_TOO)
    )


def beta(value: str | None, kind: targets.TokenKind) -> str:
    """An anthropic-beta header for a pooled token: OAuth tokens need one that API keys refuse."""
    betas = dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip())
    if kind == "oauth":
        betas[OAUTH_BETA] = None
    else:
        betas.pop(OAUTH_BETA, None)
    return ",".join(betas)


def request(request: requests.Request, target: targets.Target) -> bytes:
    """The body for a target; the request's own body object if nothing has to change.

    Raises:
        ValueError: a part that we have to parse isn't in Anthropic's form.
    """
    provider = target.provider
    edits: dict[str, msgspec.Raw | None] = {}
    if provider.is_anthropic:
        edits |= _for_anthropic(request, target)
    else:
        edits |= _for_others(request, target)
    if quirks.of(target).flat_schemas and (flat := schemas.flatten_tools(request.tools)):
        edits["tools"] = flat
    if provider.drop or provider.set:
        edits |= _custom({**request.fields, **edits}, provider)
    if edits:
        return request.with_fields({"model": rawjson.encode(target.model), **edits})
    return request.body if request.model == target.model else request.with_model(target.model)


def _for_anthropic(request: requests.Request, target: targets.Target) -> requests.Edits:
    # In a thread, Anthropic has the older messages. A request that is nested too deeply to be parsed
    # can still pass if it contains no thinking.
    is_bare = request.opaque and b"thinking" not in bytes(request.fields.get("messages", b""))
    if request.thread == "continue" or is_bare:
        return thinking_mode.for_anthropic(request, [], target)
    if request.survey is not None and request.survey.fits(target):
        is_manual = rawjson.kind(request.thinking) == "enabled"
        return thinking_mode.for_anthropic(request, request.messages if is_manual else [], target)
    blocks = assistant_blocks.read(request.messages)
    history = anthropic_history.accepted(request.messages, blocks)
    if history is not request.messages:
        blocks = assistant_blocks.read(history)
    history = thinking_request.keep(history, target.provider, blocks)
    edits = thinking_request.merge(request, history)
    return {**edits, **thinking_mode.for_anthropic(request, history, target)}


def _for_others(request: requests.Request, target: targets.Target) -> requests.Edits:
    target_quirks = quirks.of(target)
    if request.survey is not None and request.survey.fits(target):
        edits, lost = foreign.edits(request, None), False
    else:
        history = thinking_request.keep(request.messages, target.provider)
        lost = thinking_mode.loses_thinking(request.messages, history)
        if target_quirks.returned and not thinking_mode.is_off(request.fields):
            history = thinking_request.fill(history)
        edits = foreign.edits(request, history, target_quirks.call_id)
    mode = thinking_mode.for_others(
        {**request.fields, **edits}, target, lost=lost, returned=target_quirks.returned
    )
    return {**edits, **mode}


def _custom(fields: requests.Edits, provider: targets.Provider) -> requests.Edits:
    """The changes that the profile's `drop` and `set` make."""
    edits = omissions.edits(fields, provider.drop)
    counts_only = "max_tokens" not in fields
    for name, value in provider.set.items():
        wanted = rawjson.encode(value)
        if counts_only and name in _NOT_COUNTED:
            continue
        if edits.get(name, fields.get(name)) != wanted:
            edits[name] = wanted
    return edits
