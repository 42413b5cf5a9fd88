"""Explains where the proxy would send a request for a model now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from claude_route import targets
from claude_route.profile import clients
from claude_route.profile import profiles
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import plan
from claude_route.routing import pool_tokens
from claude_route.routing import quota
from claude_route.routing import rotation
from claude_route.text import quantities


def route(
    profile: profiles.Profile,
    pool: rotation.Pool,
    breakers: breaker.Breaker,
    learned: lessons.Lessons,
    model: str,
    client: clients.Client | None = None,
) -> str:
    """Which targets would be tried, in which order, with which credentials and without which parameters,
    and which would be skipped and why. `client`: for this client of the profile."""
    if client and client.models and not client.may_ask(model):
        return (
            f"{model} is not one of the models of {client.name}: {', '.join(client.models)}.\n"
            "Both listeners answer 404, as if it did not exist."
        )
    if client and client.token_mode:
        pooled = dataclasses.replace(profile.pool, mode=client.token_mode)
        profile = dataclasses.replace(profile, pool=pooled)
    first = profile.target(model)
    if first is None:
        names = ", ".join(profile.models)
        passes = " The forward listener passes the request on to Anthropic, with the client's own credential."
        return (
            f"{model} is not one of the models of profile {profile.name}: {names}.\n"
            f"The reverse listener answers 404.{passes if profile.asks_anthropic else ''}"
        )
    if first.provider.missing:
        return (
            f"{model} stands for {first}, which can't be used: {first.provider.unset}.\n"
            "The proxy answers 400 and tries no fallback."
        )
    return "\n".join(_lines(profile, pool, breakers, learned, model, client))


def is_answered(
    profile: profiles.Profile, model: str, client: clients.Client | None = None
) -> bool:
    """Whether a provider would be asked at all for a model."""
    first = profile.target(model)
    may_ask = client is None or client.may_ask(model)
    return may_ask and first is not None and not first.provider.missing


def _lines(
    profile: profiles.Profile,
    pool: rotation.Pool,
    breakers: breaker.Breaker,
    learned: lessons.Lessons,
    model: str,
    client: clients.Client | None,
) -> Iterator[str]:
    candidates = profile.candidates(model, client.may_ask) if client else profile.candidates(model)
    usable = [
        candidate.target
        for candidate in candidates
        if candidate.target and not candidate.passed_over
    ]
    steps = plan.rehearse(
        usable,
        pool=pool if profile.pool.rotates else None,
        is_down=lambda target: breakers.is_open(str(target)),
        max_attempts=profile.max_attempts,
    )
    tried = {step.target for step in steps}
    yield f"{model} goes to these targets, with at most {profile.max_attempts} attempts in all:"
    for place, target in enumerate(usable, 1):
        is_pooled = target.provider.credential(rotates=profile.pool.rotates) == "pool"
        yield f"{place}. {_target(target, profile)}"
        if breakers.is_open(str(target)):
            then = "tried anyway, because there is no other"
            then = then if target in tried else "skipped"
            yield f"   has failed repeatedly: {then} for now"
        elif target not in tried and is_pooled and not _has_available(pool, target):
            yield "   not tried now: no token is available"
        elif target not in tried:
            yield "   not tried: the attempts are used up before"
        yield from (f"   {_left_out(row)}" for row in learned.rows(target))
        if is_pooled:
            yield from (f"   {_token(row, target.model)}" for row in pool.status())
    yield from (
        f"-  {_passed_over(candidate)}" for candidate in candidates if candidate.passed_over
    )


def _has_available(pool: rotation.Pool, target: targets.Target) -> bool:
    return pool.rehearsal().pick(model=target.model) is not None


def _passed_over(candidate: profiles.Candidate) -> str:
    name, target, why = candidate
    if target is None:
        return f"{name}: {why}"
    return f"{name} is {target}{', which is ' if why == profiles.LISTED_ABOVE else ': '}{why}"


def _target(target: targets.Target, profile: profiles.Profile) -> str:
    provider = target.provider
    match provider.credential(rotates=profile.pool.rotates):
        case "pool":
            credential = "the tokens of the pool in turn"
        case "client" if provider.auth == "client":
            credential = "the client's own credential"
        case "client" if profile.pool.tokens:
            credential = "the client's own credential, unless the request asks to rotate"
        case "client":
            credential = "the client's own credential, because the pool is empty"
        case "provider":
            credential = "the provider's key"
        case "none":
            credential = "no credential"
    context = target.abilities.context
    window = f", for up to {quantities.count(context)} tokens" if context else ""
    return f"{target} at {provider.base_url}, with {credential}{window}"


def _left_out(row: lessons.Row) -> str:
    which = "" if row.is_general else " by requests like the one that it refused"
    return f"{row.name} is left out{which} for another {quantities.duration(row.left)}"


def _token(row: pool_tokens.Row, model: str) -> str:
    left = max(row.left, row.families.get(quota.family(model) or "", 0.0))
    if row.state == "disabled":
        state = f"disabled ({row.reason})"
    elif left:
        state = f"rests for {quantities.duration(left)} ({row.reason})"
    else:
        state = "available"
    return f"{row.label}: {state}"
