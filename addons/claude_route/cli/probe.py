"""Asks a provider for its list of models: whether it can be reached, and accepts its key.

It costs nothing, and is asked over the same client as the proxy's own requests, so that proxies on the
way and certificates count as they do there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects import error_body
from claude_route.dialects.messages import scrub
from claude_route.profile import profiles
from claude_route.proxy import model_list
from claude_route.proxy.upstream import answer as upstream_answer
from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import proxies
from claude_route.routing import rotation

type Verdict = Literal[
    "accepted", "unclear", "refused", "failed", "unreachable", "barred", "untrusted"
]

LIMITS = upstream_answer.Limits(connect=10, first_byte=10, idle=5, body_size=1_000_000)


class Question(NamedTuple):
    name: str
    """The provider's name, with the place of the pool's token."""
    provider: targets.Provider
    secret: str | None
    fields: tuple[tuple[bytes, bytes], ...]
    is_clients: bool = False
    """Whether the provider wants the client's own credential, which only the client has."""
    is_limited: bool = False
    """Whether the credential may be good although it may not list models."""


class Answer(NamedTuple):
    verdict: Verdict
    why: str = ""


def questions(profile: profiles.Profile) -> Iterator[Question]:
    """One for each credential; none for what can't be used, or takes the client's own."""
    for provider in profile.providers.values():
        if provider.missing:
            continue
        match provider.credential(rotates=profile.pool.rotates):
            case "pool":
                pool = rotation.Pool(profile.pool.tokens, clock=lambda: 0.0)
                for token in pool.tokens:
                    name = f"{provider.name}, {token.label}"
                    is_bearer = token.kind == "oauth"
                    yield question(provider, name, token.secret, is_bearer=is_bearer)
            case "provider" if provider.api_key:
                is_bearer = provider.auth == "bearer"
                yield question(provider, provider.name, provider.api_key, is_bearer=is_bearer)
            case credential:
                is_clients = credential == "client"
                yield Question(provider.name, provider, None, (), is_clients=is_clients)


def question(provider: targets.Provider, name: str, secret: str, *, is_bearer: bool) -> Question:
    fields = [model_list.key_field(secret, is_bearer=is_bearer)]
    is_oauth = provider.is_anthropic and is_bearer
    if is_oauth:
        fields.append((b"anthropic-beta", scrub.OAUTH_BETA.encode()))
    return Question(name, provider, secret, tuple(fields), is_limited=is_oauth)


async def ask(asked: Question, rules: proxies.Rules) -> Answer:
    """Never raises for what a provider or the network does."""
    provider = asked.provider
    destination = dial.Destination(
        provider.scheme,
        provider.host,
        provider.port,
        rules.proxy(provider.scheme, provider.host, provider.port),
    )
    fields = [*model_list.profile_fields(provider), *asked.fields]
    request = model_list.request(provider, destination, fields)
    asking = client.Client()
    try:
        async with asking.request(destination, request, b"", LIMITS) as got:
            response = await got.head()
            body = b""
            while len(body) < LIMITS.buffered and (piece := await got.next()) is not None:
                body += piece
    except dial.UntrustedError as e:
        return Answer("untrusted", str(e))
    except dial.BarredError as e:
        return Answer("barred", str(e))
    except (OSError, ValueError) as e:
        return Answer("unreachable", str(e) or type(e).__name__)
    finally:
        await asking.close()
    return judge(asked, response.status, body)


def judge(asked: Question, status: int, body: bytes) -> Answer:
    fault = error_body.read(body)
    secrets = [asked.secret] if asked.secret else []
    words = error_body.clean(fault.message, secrets)
    why = f"{status}, {words}" if words else str(status)
    if asked.is_clients and status < 500:
        return Answer("accepted")
    # Tokens of `claude setup-token` are for inference only, so they may not list models.
    if status == 401 or (status == 403 and not asked.is_limited):
        return Answer("refused", why)
    if status >= 500:
        return Answer("failed", why)
    if status < 300 or asked.secret is None:
        return Answer("accepted")
    return Answer("unclear", why)
