"""`GET /status`: the state of the pool, the targets and the models."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import Literal

import msgspec

from claude_route import targets
from claude_route.access import clients
from claude_route.pages import content
from claude_route.pages import standings
from claude_route.profile import clients as profile_clients
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import pool_tokens
from claude_route.routing import stats

type State = Literal["up", "failing", "skipped", "unusable", "not asked"]


@dataclass(frozen=True)
class Target:
    """A row of the table that people see: one target."""

    name: str
    """`zai/glm-5`, or `anthropic/claude-*` until a model of the pattern is requested."""
    state: State
    """`failing`: the last attempt failed; `skipped`: several in a row failed, so others are tried
    first; `unusable`: it needs environment variables that are not set."""
    missing: tuple[str, ...]
    attempts: int
    failures: int
    last_error: str
    last_error_at: float | None
    """Unix seconds."""
    wait: float = 0.0
    """Seconds for which it will still be skipped."""
    left_out: tuple[str, ...] = ()
    """The parameters that it refused, and that requests go without for now, as in a profile's `drop`."""


@dataclass(frozen=True)
class Status:
    now: float
    """Unix seconds."""
    started_at: float
    profile: str
    in_flight: int
    """Requests that are being answered."""
    mode: targets.TokenMode
    strategy: targets.Strategy
    tokens: tuple[pool_tokens.Row, ...]
    targets: tuple[Target, ...]
    models: tuple[stats.Model, ...]
    checks: tuple[stats.Model, ...] = ()
    """Auto mode's checks of tool calls, which `models` leaves out."""
    over: tuple[standings.Row, ...] = ()
    """The limits that clients have used up."""
    client: str | None = None
    """The only client whose requests and limits these are; None for all. Tokens and targets are what clients share, with
    the attempts of all."""


def status(in_force: state.State, client: str | None = None) -> Status:
    profile, counts = in_force.profile, in_force.stats
    return Status(
        now=counts.clock(),
        started_at=counts.started,
        profile=profile.name,
        in_flight=counts.in_flight(client),
        mode=profile.pool.mode,
        strategy=in_force.pool.strategy,
        tokens=tuple(in_force.pool.status()),
        targets=tuple(_targets(profile, in_force.breaker, in_force.lessons, counts.targets())),
        models=tuple(counts.models(client)),
        checks=tuple(counts.checks(client)),
        over=tuple(
            row for row in standings.rows(in_force) if row.is_over and client in (None, row.client)
        ),
        client=client,
    )


def seen(in_force: state.State, viewer: clients.Client | None) -> Status:
    """The status as a client sees it: with its own requests and limits only, and without targets of models that it may
    not ask for. None: all of it."""
    if viewer is None or viewer.is_admin:
        return status(in_force)
    shown = status(in_force, viewer.name)
    if not (viewer.entry and viewer.entry.models):
        return shown
    own = patterns.Table(dict.fromkeys(_own_targets(in_force.profile, viewer.entry)))
    return dataclasses.replace(
        shown,
        targets=tuple(row for row in shown.targets if own.find(row.name)),
    )


def _own_targets(profile: profiles.Profile, viewer: profile_clients.Client) -> Iterator[str]:
    """The names of the targets of a client's models, some of them patterns."""
    names = [name for name in profile.models if viewer.may_ask(name)]
    for target in map(profile.target, (*names, *(viewer.models or ()))):
        if target:
            yield str(target)


def answer(in_force: state.State, viewer: clients.Client | None = None) -> content.Content:
    return content.Content("application/json", to_json(seen(in_force, viewer)))


def to_json(status: Status) -> bytes:
    """The JSON for programs. Keys may be added, but never removed."""
    value: dict[str, Any] = {
        "now": status.now,
        "started_at": status.started_at,
        "profile": status.profile,
        "in_flight": status.in_flight,
        "client": status.client,
        "pool": {
            "mode": status.mode,
            "strategy": status.strategy,
            "tokens": [
                {
                    "place": row.place,
                    "label": row.label,
                    "kind": row.kind,
                    "state": row.state,
                    "wait": row.left,
                    "families": row.families,
                    "five_hour": row.five_hour,
                    "seven_day": row.seven_day,
                    "sessions": row.sessions,
                    "requests": row.requests,
                    "reason": row.reason,
                    **({"name": row.name} if row.name else {}),
                }
                for row in status.tokens
            ],
        },
        "targets": status.targets,
        "models": [_model(row) for row in status.models],
        "checks": [_model(row) for row in status.checks],
        "over": standings.to_json(status.over),
    }
    return msgspec.json.encode(value)


def _model(row: stats.Model) -> dict[str, Any]:
    return {
        "name": row.name,
        "requests": row.requests,
        "errors": row.errors,
        "per_minute": row.per_minute,
        "first_byte": row.first_byte
        and {
            "p50": row.first_byte.half,
            "p95": row.first_byte.most,
            "of": row.first_byte.of,
        },
        "tokens": {"in": row.tokens_in, "cached": row.tokens_cached, "out": row.tokens_out},
    }


def _targets(
    profile: profiles.Profile,
    breakers: breaker.Breaker,
    learned: lessons.Lessons,
    rows: list[stats.Target],
) -> list[Target]:
    """The profile's targets and those that were tried, each once, sorted by name."""
    tried = {row.name: row for row in rows}
    configured = {str(target): target for target in map(profile.target, profile.models) if target}
    names = set(tried) | {name for name in configured if not _is_covered(name, tried)}
    missing = {name: provider.missing for name, provider in profile.providers.items()}
    left_out = {
        str(target): tuple(row.name for row in learned.rows(target))
        for target in learned.refusing()
        if target.provider == profile.providers.get(target.provider.name)
    }
    result = []
    for name in sorted(names):
        row = tried.get(name) or stats.Target(name)
        lacks = missing.get(name.partition("/")[0], ())
        result.append(
            Target(
                name=name,
                state=_state(row, lacks, is_skipped=breakers.is_open(name)),
                missing=lacks,
                attempts=row.attempts,
                failures=row.failures,
                last_error=row.last_error,
                last_error_at=row.last_error_at or None,
                wait=breakers.left(name),
                left_out=left_out.get(name, ()),
            )
        )
    return result


def _is_covered(configured: str, tried: dict[str, stats.Target]) -> bool:
    """Whether to omit a target with `*` in its name, because one that it matches is listed."""
    literals = configured.split("*")
    return len(literals) > 1 and any(patterns.match(literals, name) is not None for name in tried)


def _state(row: stats.Target, missing: tuple[str, ...], *, is_skipped: bool) -> State:
    if missing:
        return "unusable"
    if is_skipped:
        return "skipped"
    if not row.attempts:
        return "not asked"
    return "failing" if row.last_error_at > row.answered_at else "up"
