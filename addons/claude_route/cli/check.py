"""`claude-route check`: describes what a profile does."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from collections.abc import Iterator

from claude_route import targets
from claude_route.access import guard
from claude_route.cli import columns
from claude_route.dialects import registry
from claude_route.profile import clients
from claude_route.profile import profiles
from claude_route.routing import rotation
from claude_route.text import quantities


def lines(
    profile: profiles.Profile,
    *,
    has_key: bool,
    today: Callable[[], datetime.date] = guard.today,
) -> Iterator[str]:
    """The description. Of secrets it shows only the last characters of the pool's tokens. `today` is in UTC."""
    yield f"Profile {profile.name} ({profile.path})"
    yield ""
    yield "Providers"
    yield from columns.lines(
        (
            provider.name,
            provider.base_url or "-",
            registry.of(provider).label,
            _credential(provider, profile),
        )
        for provider in profile.providers.values()
    )
    yield ""
    yield "Models"
    yield from columns.lines(
        (name, "→", _target(target)) for name, target in profile.models.items()
    )
    yield ""
    if list(profile.fallbacks):
        yield "Fallbacks, in this order"
        yield from columns.lines(
            (name, "→", ", ".join(names)) for name, names in profile.fallbacks.items()
        )
        yield ""
    if profile.server_tools:
        models = dict.fromkeys(profile.server_tools.values())
        yield f"Server tools, for models without them: {', '.join(models)}"
    yield f"Pool: {_pool(profile)}"
    yield f"Attempts per request: at most {profile.max_attempts}"
    yield f"Hosts intercepted on the forward listener: {', '.join(profile.intercept)}"
    yield f"Clients: {_clients(profile, has_key)}"
    yield from columns.lines(
        (client.name, _rights(client, today())) for client in profile.clients.values()
    )
    if profile.warnings:
        yield ""
        yield "Warnings"
        yield from (f"  {warning}" for warning in profile.warnings)


def _credential(provider: targets.Provider, profile: profiles.Profile) -> str:
    if provider.missing:
        return f"not used: {provider.unset}"
    match provider.credential(rotates=profile.pool.rotates):
        case "pool":
            return "the pool's tokens"
        case "client":
            return "the client's own credential"
        case "provider":
            return "its key"
        case "none":
            return "no credential"


def _target(target: targets.Target) -> str:
    return f"{target} (not used)" if target.provider.missing else str(target)


def _pool(profile: profiles.Profile) -> str:
    tokens = rotation.Pool(profile.pool.tokens, names=profile.pool.names, clock=lambda: 0.0).tokens
    if not tokens:
        return "no tokens"
    labels = ", ".join(f"{token.label} ({token.kind})" for token in tokens)
    pool = profile.pool
    return f"{labels}; {pool.mode}, {pool.strategy}, cooldown {pool.cooldown:.0f} s"


def _clients(profile: profiles.Profile, has_key: bool) -> str:
    if profile.clients:
        return f"must present {'PROXY_STATIC_TOKEN or ' if has_key else ''}a key of their own"
    if has_key:
        return "must present PROXY_STATIC_TOKEN"
    if profile.open:
        return "need no key, even from other machines (open: true)"
    return "need no key; only this machine may connect"


def _rights(client: clients.Client, today: datetime.date) -> str:
    within, rights = client.limits, []
    rights.append(", ".join(client.models) if client.models else "all models")
    if within.requests_per_minute:
        rights.append(f"{quantities.counted(within.requests_per_minute, 'request')} a minute")
    if within.tokens_per_day:
        rights.append(f"{quantities.count(within.tokens_per_day)} tokens a day")
    rights += [f"{quantities.dollars(cap.dollars)} a {cap.period}" for cap in within.caps]
    if client.on_budget:
        rights.append(f"then {client.on_budget}")
    if client.token_mode:
        rights.append(client.token_mode)
    if client.expires:
        has_expired = client.has_expired(today)
        rights.append(f"{'expired on' if has_expired else 'until'} {client.expires}")
    if client.is_admin:
        rights.append("admin")
    return "; ".join(rights)
