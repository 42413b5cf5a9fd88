"""`claude-route run`: starts Claude Code, or another program, with a proxy of its own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from claude_route import installation
from claude_route.cli import environment
from claude_route.cli import keys
from claude_route.cli import notices
from claude_route.cli import private_proxy
from claude_route.cli import program
from claude_route.profile import files
from claude_route.profile import profiles
from claude_route.profile import windows

CLAUDE = "claude"

NOT_FOUND = 127
"""A shell's exit status if there is no such program."""


def run(
    arguments: Sequence[str],
    *,
    executable: str | None,
    profile_name: str,
    base_url: bool,
    web: bool,
) -> int:
    """Start a proxy and the program, wait until the program ends, then end the proxy. Returns the
    program's exit status.

    `executable` is the program's name or path; None is Claude Code. `base_url`: use the reverse
    listener, with ANTHROPIC_BASE_URL, instead of the forward listener.

    Raises:
        ValueError: the profile is invalid.
        FileNotFoundError: there is no such program.
        ChildProcessError: the proxy could not start.
        InterruptedError: a signal arrived before the program was started.
    """
    environ = files.environment(Path.cwd(), os.environ)
    # The proxy reads it again; reading it here reports an error with one line on the terminal.
    profile = profiles.read(files.locate(profile_name, installation.PROFILES), environ)
    path = shutil.which(executable or CLAUDE)
    if path is None:
        raise FileNotFoundError(_not_found(executable))
    key = environ.get("PROXY_STATIC_TOKEN") or None
    if key is None and profile.clients:
        key = keys.make()  # of the clients' own keys the profile has only what they are checked by
    signals = program.Signals()
    proxy = private_proxy.PrivateProxy(
        str(profile.path), "reverse" if base_url else "regular", web=web, key=key
    )
    keep_log = False
    try:
        address = proxy.wait(signals.check)
        if address.web:
            print(f"claude-route: watch it at {address.web}", file=sys.stderr)
        program_environ = _environ(
            profile, proxy, address.port, key, base_url=base_url, has_bundle=bool(executable)
        )
        is_live = not notices.may_disturb([*arguments])
        failures = notices.Notices(proxy.folder, _print, is_live=is_live)
        failures.start()
        try:
            status = signals.run([path, *arguments], program_environ)
        finally:
            failures.end()
        keep_log = not proxy.is_running
        if keep_log:
            _print(f"the proxy ended while {Path(path).name} ran")
    except ChildProcessError as e:
        keep_log = True
        raise ChildProcessError(f"{e}{_last_line(proxy.log)}; its log: {proxy.log}") from e
    finally:
        proxy.close(keep_log=keep_log)
    if keep_log:
        _print(f"the proxy's log: {proxy.log}")
    return status


def _environ(
    profile: profiles.Profile,
    proxy: private_proxy.PrivateProxy,
    port: int,
    key: str | None,
    *,
    base_url: bool,
    has_bundle: bool,
) -> dict[str, str]:
    """The program's environment. Claude Code itself needs no bundle: the programs that it starts trust the
    usual CAs, and only the intercepted hosts have a certificate of ours."""
    if base_url:
        environ = environment.through_reverse_listener(os.environ, port=port, key=key)
    else:
        environ = environment.through_forward_listener(
            os.environ,
            port=port,
            ca=proxy.node_extra_cas(),
            key=key,
            hosts=profile.intercept,
            bundle=proxy.bundle() if has_bundle else None,
        )
    if not profile.asks_anthropic:
        environ = environment.with_credential(environ)
    return environment.with_window(environ, windows.smallest(profile))


def _not_found(executable: str | None) -> str:
    if executable:
        return f"{executable}: no such program"
    return (
        "claude is not installed, or not on PATH: npm install -g @anthropic-ai/claude-code. "
        "To start another program, use --exec PROGRAM"
    )


def _last_line(log: Path) -> str:
    """The last line of the proxy's log, which says why it could not start."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def _print(text: str) -> None:
    print(f"claude-route: {text}", file=sys.stderr)
