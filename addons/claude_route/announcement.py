"""The log lines at start, with commands ready to paste, and the table that `pool.status` prints."""

from __future__ import annotations

import logging
import shlex
import socket
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy.proxy import mode_specs
from mitmproxy.utils import human

from claude_route import background
from claude_route import installation
from claude_route import options
from claude_route import settings
from claude_route.access import guard
from claude_route.pages import mitmweb
from claude_route.profile import files
from claude_route.profile import profiles
from claude_route.profile import windows
from claude_route.routing import rotation

logger = logging.getLogger(__name__)

OWN_KEY = "KEY"
"""The variable that the commands have for a key where each client has its own."""

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
            background.start(self._announce(), "the announcement")

    async def _announce(self) -> None:
        closed = await options.closed_listeners()
        if closed and self._is_start:
            options.leave("\n".join(closed))
            return
        assert self.in_force.state
        for line in lines(
            options.opened_modes(),
            ctx.options.listen_host,
            ctx.options.listen_port,
            ctx.options.confdir,
            self.in_force.state.profile,
            self.in_force.state.pool,
            needs_key=self.in_force.entry.guard.needs_key,
            key=key_variable(self.in_force.entry.guard),
            env=env_line(Path.cwd()),
            machine=machine_address,
        ):
            logger.info(line)
        if getattr(ctx.master, "app", None):  # Only mitmweb's master has one.
            address = human.format_address((ctx.options.web_host, ctx.options.web_port))
            logger.info(f"Sessions: http://{address}{mitmweb.SESSIONS}")
            logger.info(f"Status page, in mitmweb:      http://{address}/status")


def lines(
    modes: Sequence[str],
    default_host: str,
    default_port: int | None,
    confdir: str,
    profile: profiles.Profile,
    pool: rotation.Pool,
    *,
    needs_key: bool,
    key: str = guard.KEYS[0],
    env: str,
    machine: Callable[[str], str],
) -> Iterator[str]:
    """`key` is the variable that the commands have for the key. `env` describes the .env file. `machine`
    finds the address of this machine for other machines,
    given the address of every interface."""
    yield installation.versions()
    needs_tokens = any(target.provider.is_anthropic for _, target in profile.models.items())
    yield f"Profile {profile.name} ({profile.path}) is in force; the pool has " + tokens(
        pool, needs_tokens=needs_tokens
    )
    yield env
    # Claude Code doesn't start without a credential, even where nobody needs one.
    login = "" if profile.asks_anthropic else "ANTHROPIC_AUTH_TOKEN=any "
    if profile.needs_classifier:
        yield checks(profile)
    window = windows.smallest(profile)
    command = f"{windows.VARIABLE}={window} claude" if window else "claude"
    for spec in map(mode_specs.ProxyMode.parse, modes):
        port = spec.listen_port(default_port)
        if not port:  # The system chooses the port, and tells `claude-route run`.
            continue
        host = spec.listen_host(default_host)
        reached_at = machine(host) if host in EVERY_INTERFACE else host
        address = human.format_address((reached_at, port))
        if isinstance(spec, mode_specs.RegularMode | mode_specs.UpstreamMode):
            user = f"claude:${key}@" if needs_key else ""
            certificate = str(Path(confdir).expanduser() / "mitmproxy-ca-cert.pem")
            yield (
                f"Forward listener (proxy):     HTTPS_PROXY=http://{user}{address} "
                f"NODE_EXTRA_CA_CERTS={shlex.quote(certificate)} {login}{command}"
            )
        elif isinstance(spec, mode_specs.ReverseMode):
            shown = f"{_key_variable(f'${key}', profile)} " if needs_key else login
            base_url = f"ANTHROPIC_BASE_URL=http://{address}"
            yield f"Reverse listener (base URL):  {base_url} {shown}{command}"
    if needs_key and key == OWN_KEY:
        yield f"{key} is the client's key, made by `claude-route key NAME`: set it in that shell"
    elif needs_key:
        yield f"{key} is the proxy's own key: set it in that shell, too"


def key_variable(guarded: guard.Guard) -> str:
    """The variable that the commands have for the key."""
    return OWN_KEY if guarded.named and not (guarded.key or guarded.next_key) else guard.KEYS[0]


def _key_variable(key: str, profile: profiles.Profile) -> str:
    """The variable with which Claude Code presents the key at the reverse listener."""
    anthropic = profile.providers.get("anthropic")
    if anthropic and anthropic.credential(rotates=profile.pool.rotates) == "client":
        # Beside it, a login stays in use.
        return f'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: {key}"'
    return f"ANTHROPIC_AUTH_TOKEN={key}"


def checks(profile: profiles.Profile) -> str:
    """Who checks the tool calls of models other than Claude in auto mode."""
    ours = profile.classifier(has_login=False)
    if ours:
        return f"Auto mode: {ours} checks the tool calls of models other than Claude"
    if with_login := profile.classifier(has_login=True):
        return (
            f"Auto mode: {with_login} checks the tool calls of models other than Claude, with the "
            "client's own login; without one, Claude Code blocks them (docs/clients.md)"
        )
    return (
        "Auto mode: no model here checks the tool calls of models other than Claude; Claude Code asks a "
        "Claude model itself, or blocks them (docs/clients.md)"
    )


def env_line(folder: Path) -> str:
    """Which .env file is used."""
    path = (folder / ".env").absolute()
    if not path.is_file():
        return f"No variables from {path}: there is no such file"
    match len(files.environment(folder, {})):
        case 1:
            return f"1 variable from {path}"
        case count:
            return f"{count} variables from {path}"


def machine_address(interface: str) -> str:
    """This machine's address in its network, as a program on another machine would use it; a loopback
    address if there is no network. Sends nothing."""
    is_ipv6 = interface == "::"
    family, elsewhere = (
        (socket.AF_INET6, "2001:db8::1") if is_ipv6 else (socket.AF_INET, "192.0.2.1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "::1" if is_ipv6 else "127.0.0.1"


def tokens(pool: rotation.Pool, *, needs_tokens: bool = True) -> str:
    """How many tokens the pool has, in words. `needs_tokens`: whether any model goes to Anthropic."""
    match len(pool):
        case 0 if not needs_tokens:
            return "no tokens, and no model needs any"
        case 0:
            return "no tokens: requests for Claude models use the client's own credential"
        case 1:
            return "1 token"
        case count:
            return f"{count} tokens"
