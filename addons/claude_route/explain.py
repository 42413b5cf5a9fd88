"""What would become of a request for a model right now, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.routing import breaker
from claude_route.routing import quota
from claude_route.routing import rotation
from claude_route.text import quantities


class Choice(NamedTuple):
    """A target that a request may go to, and the name it goes by in the profile."""

    name: str
    target: profiles.Target | None
    """None where the profile knows no such model."""


def route(
    profile: profiles.Profile, pool: rotation.Pool, breakers: breaker.Breaker, model: str
) -> str:
    """Which targets are asked in turn, with which credentials, and what is passed over and why."""
    first = profile.target(model)
    if first is None:
        names = ", ".join(profile.models)
        return (
            f"{model} is not one of the models of profile {profile.name}: {names}.\n"
            "At the reverse door that is a 404. Through the proxy it goes to Anthropic, with the "
            "client's own credential."
        )
    if first.provider.missing:
        return (
            f"{model} is {first}, which can't be used: {first.provider.unset}.\n"
            "A request gets a 400 that says so; no fallback is asked."
        )
    return "\n".join(_lines(profile, pool, breakers, model))


def _lines(
    profile: profiles.Profile, pool: rotation.Pool, breakers: breaker.Breaker, model: str
) -> Iterator[str]:
    usable: list[Choice] = []
    passed_over: list[str] = []
    for choice in [Choice(model, profile.target(model)), *_fallbacks(profile, model)]:
        if choice.target is None:
            passed_over.append(f"{choice.name}: not one of the profile's models")
        elif choice.target.provider.missing:
            passed_over.append(f"{choice.name} is {choice.target}: {choice.target.provider.unset}")
        elif choice.target in (each.target for each in usable):
            passed_over.append(f"{choice.name} is {choice.target}, which is asked already")
        else:
            usable.append(choice)
    yield f"{model} is asked of, at most {profile.max_attempts} attempts in all:"
    for place, choice in enumerate(usable, 1):
        assert choice.target
        is_last = place == len(usable)
        yield f"{place}. {_target(choice, profile, pool)}"
        if breakers.is_open(str(choice.target)):
            then = "asked all the same, as nothing stands behind it" if is_last else "skipped"
            yield f"   it has failed again and again: {then} for now"
        if choice.target.provider.auth == "pool" and _rotates(profile, pool):
            yield from (f"   {_token(row, choice.target.model)}" for row in pool.status())
    for text in passed_over:
        yield f"-  {text}"


def _fallbacks(profile: profiles.Profile, model: str) -> Iterator[Choice]:
    found = profile.fallbacks.find(model)
    if found:
        names, kept = found
        for name in names:
            filled = patterns.fill(name, kept)
            yield Choice(filled, profile.target(filled))


def _target(choice: Choice, profile: profiles.Profile, pool: rotation.Pool) -> str:
    assert choice.target
    provider = choice.target.provider
    match provider.auth:
        case "pool" if not len(pool):
            credential = "the client's own credential, as the pool is empty"
        case "pool" if not _rotates(profile, pool):
            credential = "the client's own credential, unless the request asks to rotate"
        case "pool":
            credential = "the tokens of the pool in turn"
        case "client":
            credential = "the client's own credential"
        case "none":
            credential = "no credential"
        case _:
            credential = "the provider's key"
    return f"{choice.target} at {provider.base_url}, with {credential}"


def _rotates(profile: profiles.Profile, pool: rotation.Pool) -> bool:
    return len(pool) > 0 and profile.pool.mode == "rotate"


def _token(row: rotation.Row, model: str) -> str:
    left = max(row.left, row.families.get(quota.family(model) or "", 0.0))
    if row.state == "disabled":
        state = f"out of use ({row.reason})"
    elif left:
        state = f"rests for {quantities.duration(left)} ({row.reason})"
    else:
        state = "available"
    return f"{row.label}: {state}"
