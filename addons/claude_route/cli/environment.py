"""The environment variables that send a program's requests through the proxy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from claude_route.access import clients
from claude_route.profile import windows

CA_BUNDLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
"""The variables with which OpenSSL, curl and Python's requests replace their own list of CAs."""

CREDENTIALS = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")
"""The variables that Claude Code and Anthropic's SDKs take a credential from."""

PLACEHOLDER = "none"
"""No credential of anybody's: Claude Code only requires some text."""

NO_PROXY = ("no_proxy", "NO_PROXY")
"""Programs differ in which of the two they read, and in which takes precedence."""


def through_forward_listener(
    environ: Mapping[str, str],
    *,
    port: int,
    ca: Path,
    key: str | None,
    hosts: Iterable[str],
    bundle: Path | None = None,
) -> dict[str, str]:
    """The environment for a program that uses the proxy as its HTTPS proxy.

    `hosts` are those whose requests we route: they are removed from `NO_PROXY`, other hosts stay
    there. Node adds the CAs in `ca` to its own. Other programs would trust only `bundle`, so it must
    contain the usual CAs too.
    """
    user = f"claude:{quote(key, safe='')}@" if key else ""
    changed = dict(environ)
    for name in ("HTTPS_PROXY", "https_proxy"):
        changed[name] = f"http://{user}127.0.0.1:{port}"
    hosts = list(hosts)
    for name in NO_PROXY:
        if name in changed:
            changed[name] = without_hosts(changed[name], hosts)
    # It would send Claude Code elsewhere.
    changed.pop("ANTHROPIC_BASE_URL", None)
    changed["NODE_EXTRA_CA_CERTS"] = str(ca)
    if bundle:
        changed |= dict.fromkeys(CA_BUNDLES, str(bundle))
    return changed


def through_reverse_listener(
    environ: Mapping[str, str], *, port: int, key: str | None
) -> dict[str, str]:
    """The environment for a program that reads ANTHROPIC_BASE_URL."""
    changed = {**environ, "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"}
    for name in NO_PROXY:
        # If HTTP_PROXY is set, it is for other hosts.
        changed[name] = ",".join(filter(None, (environ.get(name), "127.0.0.1")))
    if key:
        others = environ.get("ANTHROPIC_CUSTOM_HEADERS")
        headers = filter(None, (others, f"{clients.KEY_HEADER}: {key}"))
        changed["ANTHROPIC_CUSTOM_HEADERS"] = "\n".join(headers)
    return changed


def with_credential(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that needs no credential of its own, but doesn't start without one.
    Keeps the user's, if the environment has one."""
    if any(environ.get(name) for name in CREDENTIALS):
        return dict(environ)
    return {**environ, "ANTHROPIC_AUTH_TOKEN": PLACEHOLDER}


def with_window(environ: Mapping[str, str], window: int | None) -> dict[str, str]:
    """The environment for a Claude Code that knows the window of the profile's models, if the profile
    does. Keeps the user's own."""
    return {windows.VARIABLE: str(window), **environ} if window else dict(environ)


def without_hosts(no_proxy: str, hosts: Iterable[str]) -> str:
    """A `NO_PROXY` without the entries that match one of these hosts."""
    hosts = [host.lower() for host in hosts]
    entries = [entry for entry in re.split(r"[\s,]+", no_proxy) if entry]
    kept = [entry for entry in entries if not any(_matches(entry, host) for host in hosts)]
    return ",".join(kept)


def _matches(entry: str, host: str) -> bool:
    """Entries are `*`, `api.anthropic.com`, `anthropic.com`, `.anthropic.com`, `*.anthropic.com`, with
    or without a port. Programs interpret some of them differently; we use the widest meaning."""
    name = re.sub(r":\d+$", "", entry.lower()).removeprefix("*").lstrip(".")
    return not name or host == name or host.endswith(f".{name}")
