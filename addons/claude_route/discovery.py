"""Asks local servers for their models before a client sees ours: a pattern such as `ollama/*` names none."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator

from mitmproxy import http

from claude_route import targets
from claude_route.access import listeners
from claude_route.pages import models
from claude_route.pages import table
from claude_route.profile import profiles
from claude_route.proxy import model_list
from claude_route.proxy import served
from claude_route.proxy import state
from claude_route.proxy import upstreams
from claude_route.proxy.upstream import answer

PATIENCE = 1.0
"""Seconds that our list waits for theirs: Claude Code waits for ours for 3."""

LIMITS = answer.Limits(connect=5, first_byte=5, idle=5, body_size=1_000_000)


class Discovery:
    def __init__(
        self, in_force: Callable[[], state.State | None], reach: upstreams.Upstreams
    ) -> None:
        self._in_force = in_force
        self._upstreams = reach

    async def request(self, flow: http.HTTPFlow) -> None:
        """Before `admission` answers it; one that it refused doesn't come here."""
        in_force = self._in_force()
        if flow.response or flow.error or not flow.live or in_force is None:
            return
        if not listeners.is_reverse(flow.client_conn):
            return
        page = table.find(flow.request)
        if page and page.path == models.PATH:
            asked = list(local_servers(in_force.profile))
            await in_force.served.refresh(asked, self._ask, patience=PATIENCE)

    async def _ask(self, provider: targets.Provider) -> bytes:
        """Raises OSError, and ValueError for any other answer than a list."""
        credential = credential_fields(provider)
        destination = self._upstreams.place(
            provider.scheme,
            provider.host,
            provider.port,
            account=[value for _, value in credential],
        )
        request = model_list.request(provider, destination, credential)
        async with self._upstreams.client.request(destination, request, b"", LIMITS) as got:
            response = await got.head()
            if response.status != 200:
                raise ValueError(f"status: expected 200, got {response.status}")
            return await got.read()


def local_servers(profile: profiles.Profile) -> Iterator[targets.Provider]:
    """Those that patterns lead to, each once."""
    seen = set()
    for _, target in profile.models.items():
        provider = target.provider
        if "*" not in target.model or provider.missing or provider.is_anthropic:
            continue
        if provider.name not in seen and served.is_local(provider.host):
            seen.add(provider.name)
            yield provider


def credential_fields(provider: targets.Provider) -> list[tuple[bytes, bytes]]:
    """The header fields of the profile's, which may contain keys too, and the provider's key."""
    fields = model_list.profile_fields(provider)
    if provider.api_key and provider.auth in ("bearer", "x-api-key"):
        is_bearer = provider.auth == "bearer"
        fields.append(model_list.key_field(provider.api_key, is_bearer=is_bearer))
    return fields
