"""The log lines at start, with commands ready to paste, and the table that `pool.status` prints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy.proxy import mode_specs

from claude_route import installation
from claude_route import options
from claude_route import settings
from claude_route.profile import profiles
from claude_route.routing import rotation

logger = logging.getLogger(__name__)

EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104


class Announcement:
    """Logs how to connect, once the listeners are up. If one isn't, ends the start: another program
    has the port, and would receive what clients send there."""

    def __init__(self, in_force: settings.Settings) -> None:
        self.in_force = in_force
        self._is_start = False

    def load(self, loader: addonmanager.Loader) -> None:
        self._is_start = options.is_start()

    def running(self) -> None:
        if self.in_force.state:
            self._task = asyncio.create_task(self._announce())

    async def _announce(self) -> None:
        closed = await options.closed_listeners()
        if closed and self._is_start:
            options.leave("\n".join(closed))
            return
        assert self.in_force.state
        for line in lines(
            options.opened_modes(),
            ctx.options.listen_host,
            ctx.options.confdir,
            self.in_force.state.profile,
            self.in_force.state.pool,
            needs_key=bool(self.in_force.entry.guard.key),
        ):
            logger.info(line)


def lines(
    modes: Sequence[str],
    default_host: str,
    confdir: str,
    profile: profiles.Profile,
    pool: rotation.Pool,
    *,
    needs_key: bool,
) -> Iterator[str]:
    yield installation.versions()
    yield f"Profile {profile.name} ({profile.path}) is loaded; the pool has {tokens(pool)}"
    key = "$PROXY_STATIC_TOKEN"
    for spec in map(mode_specs.ProxyMode.parse, modes):
        if spec.listen_port() == 0:  # The system chooses the port, and tells `claude-route run`.
            continue
        host = spec.listen_host(default_host)
        address = f"{'127.0.0.1' if host in EVERY_INTERFACE else host}:{spec.listen_port()}"
        if isinstance(spec, mode_specs.RegularMode | mode_specs.UpstreamMode):
            user = f"claude:{key}@" if needs_key else ""
            certificate = Path(confdir).expanduser() / "mitmproxy-ca-cert.pem"
            yield (
                "Forward listener:  "
                f"HTTPS_PROXY=http://{user}{address} NODE_EXTRA_CA_CERTS={certificate} claude"
            )
        elif isinstance(spec, mode_specs.ReverseMode):
            header = f'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: {key}" ' if needs_key else ""
            yield f"Reverse listener:  ANTHROPIC_BASE_URL=http://{address} {header}claude"


def tokens(pool: rotation.Pool) -> str:
    """How many tokens the pool has, in words."""
    match len(pool):
        case 0:
            return "no tokens: requests for Claude models use the client's own credential"
        case 1:
            return "1 token"
        case count:
            return f"{count} tokens"
