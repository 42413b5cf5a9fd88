"""What one request of a client with limits reserves, and what it has used when it is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Sequence

from claude_route import targets
from claude_route.dialects import parameters
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.pricing import prices
from claude_route.proxy import contract
from claude_route.routing import budgets
from claude_route.wire import rawjson

MOST_OUTPUT = 128_000
"""Tokens: no model writes more in one answer."""

USUAL_OUTPUT = 32_000
"""The most for a request that names no limit, which only other APIs allow."""


def most(
    request: requests.Request,
    prompt: int,
    candidates: Sequence[targets.Target],
    listed: prices.Prices,
) -> budgets.Amount:
    """The most that an answer of one of the targets may use: as if all of the prompt were written to a
    cache, and the answer as long as it may be. `prompt` is its tokens."""
    dollars, tokens = 0.0, 0
    for target in candidates:
        output = most_output(request, target)
        tariff = listed.charging(target, request.model)
        read, written = usage.Usage(prompt, output), usage.Usage(0, output, 0, prompt)
        dollars = max(dollars, tariff.of(read), tariff.of(written))
        tokens = max(tokens, prompt + output)
    return budgets.Amount(dollars, tokens)


def prompt_tokens(request: requests.Request) -> int:
    """About how many tokens a prompt has: without a picture or a document, as many as all of the body."""
    seen = request.survey
    if (seen and not seen.has_pictures) or request.text.find(b"base64") < 0:
        return requests.tokens(len(request.text))
    return requests.estimate(request)


def most_output(request: requests.Request, target: targets.Target) -> int:
    """The tokens to which a request limits its answer, or the profile those of a target."""
    asked = USUAL_OUTPUT
    if given := request.fields.get("max_tokens"):
        with contextlib.suppress(ValueError):  # the provider refuses it
            asked = max(rawjson.decode(given, int), 0)
    limits = [MOST_OUTPUT, asked]
    for name in parameters.LIMITS:
        limit = target.provider.set.get(name)
        if isinstance(limit, int):
            limits.append(limit)
    return min(limits)


def amount(
    used: usage.Usage, asked: str, target: targets.Target, listed: prices.Prices
) -> budgets.Amount:
    """What tokens count for. `asked` is the model that the client asked for."""
    dollars = listed.cost(target, asked, used).charged
    return budgets.Amount(dollars, used.prompt + used.output)


def used(
    prompt: Callable[[], int], reported: usage.Usage | None, progress: contract.Progress | None
) -> usage.Usage:
    """The tokens of an answer that is over, or of one that the client has left.

    What the provider has not reported is estimated: the tokens of its prompt by `prompt`, its output from
    what was sent of it.
    """
    if reported is None or not reported.prompt:
        reported = (reported or usage.NONE)._replace(input=prompt())
    written = progress.output if progress else 0
    return reported._replace(output=max(reported.output, written))
