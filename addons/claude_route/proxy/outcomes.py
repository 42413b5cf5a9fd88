"""What a failed attempt means to the routing policy, in Anthropic's form whoever answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

from claude_route.dialects import capability
from claude_route.dialects import echo
from claude_route.dialects import envelope
from claude_route.dialects import errors
from claude_route.dialects import overflow
from claude_route.dialects.messages import requests
from claude_route.proxy import attempt
from claude_route.proxy import contract
from claude_route.routing import accounts
from claude_route.routing import failures
from claude_route.routing import verdict
from claude_route.wire import http_message


def outcome(
    failure: contract.Failure,
    failed: attempt.Attempt,
    request: requests.Request,
    *,
    counts_tokens: bool,
    has_answered: bool,
    own_words: Callable[[], Sequence[bytes]],
    most_tokens: Callable[[int], int | None],
) -> verdict.Outcome:
    """`failed` is the attempt at answering `request`. `has_answered`: whether its target ever has.
    `own_words` returns where the client can have put words that an error repeats, `most_tokens` how many
    tokens the target takes, or None, given about how many the conversation has."""
    step, response = failed.step, failure.response
    status = response.status_code if response else 0
    body = (response.content or b"") if response else b""
    # An answer that was lost, or is none, has no words: don't say that the provider gave none.
    has_words = failure.kind is failures.Kind.STATUS or body
    # Nobody waits for a server that has not been started; one that has answered may be restarting.
    retry = failure.kind is not failures.Kind.ABSENT or has_answered
    if has_words and not step.target.provider.is_anthropic and not counts_tokens:
        error = failed.dialect.error(status, body)
        retry = error.retry
        status, body = client_error(error, status, body, request, most_tokens)
    made = verdict.Outcome(
        target=str(step.target),
        credential=failed.credential,
        anthropic=step.target.provider.is_anthropic,
        kind=failure.kind,
        detail=failure.detail,
        status=status,
        # mitmproxy's headers look through all of them for each.
        headers=http_message.by_name(response.headers.fields) if response else {},
        body=body,
        token=step.token.place if step.token else None,
        token_name=step.token.name if step.token else "",
        is_fast=request.is_fast,
        count_tokens=counts_tokens,
        retry=retry,
    )
    words = accounts.words(made.error_status, made.fault) if body else ""
    if words and echo.may_repeat(words, own_words()):
        return dataclasses.replace(made, may_repeat=True)
    return made


def client_error(
    error: errors.Error,
    status: int,
    body: bytes,
    request: requests.Request,
    most_tokens: Callable[[int], int | None],
) -> tuple[int, bytes]:
    """Another provider's error in Anthropic's form. A rejected key becomes 401, whatever the provider
    sent; the verdict knows that the key is ours and not the client's."""
    if error.refuses_key and status >= 400:
        return 401, body
    message = error.message
    if refused := capability.of_request(error.refuses, request):
        message = capability.rejected(refused, message)
    if overflow.lacks_numbers(message):
        tokens = requests.estimate(request)
        if limit := most_tokens(tokens):
            message = overflow.counted(tokens, limit)
    return (error.status if status >= 400 else status), envelope.body(error.kind, message)
