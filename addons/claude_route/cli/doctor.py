"""`claude-route doctor`: checks what a working setup needs, and says what to do about the rest."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import os
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from typing import NamedTuple

from cryptography import x509

from claude_route import installation
from claude_route.access import listener_modes
from claude_route.cli import probe
from claude_route.cli import status
from claude_route.patches import digests
from claude_route.profile import files
from claude_route.profile import profiles
from claude_route.proxy.upstream import proxies
from claude_route.text import urls

type Mark = Literal["ok", "note", "wrong"]

MARKS: Mapping[Mark, str] = {"ok": "ok  ", "note": "--  ", "wrong": "!!  "}

PATIENCE = 15.0
"""Seconds that `claude --version` may take: a slow machine may read it from disk for the first time."""

FORWARD_PORT, REVERSE_PORT = listener_modes.FORWARD_PORT, listener_modes.REVERSE_PORT

NO_RULES = proxies.Rules()

CERTIFICATES = "docs/profiles.md says where it can be set, under Certificates"

DAY = datetime.timedelta(days=1)


class Finding(NamedTuple):
    """The result of one check."""

    mark: Mark
    """`note`: not wrong, but a reader may want to know."""
    what: str
    advice: str = ""
    """What to do; empty if nothing has to be done."""

    def __str__(self) -> str:
        return f"{MARKS[self.mark]}{self.what}" + (f"\n    → {self.advice}" if self.advice else "")


def findings(
    profile_name: str, environ: Mapping[str, str], *, url: str, confdir: Path, online: bool
) -> Iterator[Finding]:
    """The results, each as soon as it is known.

    `environ` is the real environment; the checks read `.env` in the working directory themselves.
    `url` is the reverse listener's. With `online`, providers are asked for their lists of models,
    which costs nothing.
    """
    yield from versions()
    folder = Path.cwd()
    try:
        yield env_file(folder, environ)
        variables = files.environment(folder, environ)
    except ValueError as e:
        yield Finding("wrong", str(e), "write NAME=value lines, in UTF-8")
        variables = dict(environ)
    try:
        profile = profiles.read(files.locate(profile_name, installation.PROFILES), variables)
    except (ValueError, OSError) as e:
        yield Finding("wrong", f"Profile {profile_name}: {e}")
        profile = None
    if profile:
        yield from routes(profile)
    yield claude(environ)
    yield from listeners(url, variables.get("PROXY_STATIC_TOKEN") or None)
    certificate = confdir.expanduser() / "mitmproxy-ca-cert.pem"
    yield authority(certificate)
    home = Path(environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    client = client_environment(environ, home / "settings.json")
    here = urllib.parse.urlsplit(url).hostname or ""
    yield from way_in(client, certificate, here=here, url=url)
    if profile and online:
        yield from asyncio.run(_providers(profile, environ))
    elif profile:
        yield Finding("note", "Providers and keys were not asked; --online does")


def versions() -> Iterator[Finding]:
    yield Finding("ok", installation.versions())
    if missing := installation.missing_libraries():
        yield Finding("wrong", f"{', '.join(missing)} not installed", "uv sync")
    if changed := digests.changed():
        names = ", ".join(code.name.partition(":")[2] for code in changed)
        yield Finding(
            "note",
            f"This mitmproxy has other code than what was tested, in {names}",
            "if something breaks, use the version in pyproject.toml: uv sync",
        )


def env_file(folder: Path, environ: Mapping[str, str]) -> Finding:
    path = folder / ".env"
    if not path.exists():
        return Finding("note", f"{path}: there is none; keys come from the environment only")
    variables = files.environment(folder, {})
    if not variables:
        return Finding("wrong", f"{path}: no variables in it", "write NAME=value lines, in UTF-8")
    overridden = sorted(set(variables) & {name for name in environ if environ[name]})
    hidden = f"; the environment overrides {', '.join(overridden)}" if overridden else ""
    count = f"{len(variables)} variable{'s' if len(variables) > 1 else ''}"
    return Finding("ok", f"{path}: {count}{hidden}")


def routes(profile: profiles.Profile) -> Iterator[Finding]:
    yield Finding("ok", f"Profile {profile.name}: {profile.path}")
    yield from (Finding("note", warning) for warning in profile.warnings)
    if all(provider.missing for provider in profile.providers.values()):
        names = sorted({name for one in profile.providers.values() for name in one.missing})
        yield Finding(
            "wrong", "None of its providers can be used", f"put {' or '.join(names)} into .env"
        )


def claude(environ: Mapping[str, str]) -> Finding:
    path = shutil.which("claude", path=environ.get("PATH"))
    if path is None:
        return Finding(
            "wrong",
            "Claude Code: not on PATH",
            "npm install -g @anthropic-ai/claude-code",
        )
    try:
        run = subprocess.run(  # noqa: S603 - what the user would start
            [path, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as e:
        return Finding("wrong", f"Claude Code: {path} doesn't run: {e}", "install it again")
    return Finding("ok", f"Claude Code {run.stdout.strip()}: {path}")


def listeners(url: str, key: str | None) -> Iterator[Finding]:
    """Whether a proxy runs, or could be started."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or REVERSE_PORT
    if is_open(host, port):
        try:
            report = status.fetch(url, key)
        except status.KeyRequiredError as e:
            yield Finding(
                "note",
                f"Reverse listener: {e}",
                "PROXY_STATIC_TOKEN=KEY claude-route doctor; a client's own key will do",
            )
        except ValueError as e:
            yield Finding("wrong", f"Reverse listener: {e}", in_use(port))
        else:
            yield Finding("ok", f"Reverse listener: {url}, with the profile {report['profile']}")
        if not is_open(host, FORWARD_PORT):
            yield Finding("note", f"Forward listener: nothing listens at {host}:{FORWARD_PORT}")
        return
    if is_open("127.0.0.1", FORWARD_PORT):
        yield Finding("wrong", f"Port {FORWARD_PORT} is in use", in_use(FORWARD_PORT))
    yield Finding("note", f"No proxy runs at {url}", "uv run mitmdump -s addons/route.py")


def in_use(port: int) -> str:
    return (
        f"find what has port {port} (ss -ltnp), or start the proxy with --listen-port 8090 "
        "--set reverse_port=4001"
    )


def is_open(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def authority(path: Path, now: datetime.datetime | None = None) -> Finding:
    """The certificate of the CA, which clients of the forward listener need."""
    now = now or datetime.datetime.now(datetime.UTC)
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        return Finding("note", f"CA: {path} doesn't exist yet; the first start makes it")
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or "not a certificate"
        return Finding("wrong", f"CA: {path}: {why}", "make it readable, or remove it")
    days = (certificate.not_valid_after_utc - now) // DAY
    if days < 0:
        return Finding("wrong", f"CA: {path} has expired", f"remove {path.parent}/mitmproxy-ca*")
    return Finding("ok", f"CA: {path}, valid for {days} days")


def client_environment(environ: Mapping[str, str], settings: Path) -> dict[str, str]:
    """What Claude Code gets: its settings' `env` over the environment."""
    try:
        configured = json.loads(settings.read_text(encoding="utf-8")).get("env", {})
    except (OSError, ValueError, AttributeError):
        configured = {}
    if not isinstance(configured, dict):
        configured = {}
    return {**environ, **{name: str(value) for name, value in configured.items()}}


def way_in(
    environ: Mapping[str, str],
    certificate: Path,
    *,
    here: str = "127.0.0.1",
    url: str = status.URL,
) -> Iterator[Finding]:
    """How Claude Code reaches the proxy from this shell. `here` is the host of our listeners, `url` the
    reverse one's."""
    base_url = environ.get("ANTHROPIC_BASE_URL")
    proxy = environ.get("HTTPS_PROXY") or environ.get("https_proxy")
    if base_url:
        if between := on_the_way(base_url, environ):
            host = urllib.parse.urlsplit(base_url).hostname
            yield Finding(
                "wrong",
                f"Claude Code asks {urls.shown(between)} for {urls.shown(base_url)} (ANTHROPIC_BASE_URL)",
                f'NO_PROXY="$NO_PROXY,{host}"',
            )
            return
        yield Finding("ok", f"Claude Code asks {urls.shown(base_url)} (ANTHROPIC_BASE_URL)")
        if any(environ.get(name) for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY")):
            yield Finding("ok", "Claude Code has a token or key in its environment")
        return
    if not proxy:
        yield Finding(
            "note",
            "Claude Code, started from this shell, doesn't use the proxy",
            f"ANTHROPIC_BASE_URL={url} claude, or claude-route run",
        )
        return
    if not is_here(proxy, here):
        yield Finding(
            "note",
            f"Claude Code, started from this shell, uses {urls.shown(proxy)} (HTTPS_PROXY), not this proxy",
            "claude-route run, or see docs/clients.md",
        )
        return
    yield Finding("ok", f"Claude Code uses {urls.shown(proxy)} (HTTPS_PROXY)")
    yield extra_certificates(environ.get("NODE_EXTRA_CA_CERTS"), certificate)


def on_the_way(base_url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that Claude Code takes to a URL."""
    parts = urllib.parse.urlsplit(base_url)
    return proxies.of_claude_code(parts.hostname or "", parts.port or REVERSE_PORT, environ)


def is_here(proxy: str, here: str) -> bool:
    """Whether a proxy is ours: by its host, since it may be at any port."""
    host = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}").hostname or ""
    return host == here or proxies.is_loopback(host)


def extra_certificates(path: str | None, certificate: Path) -> Finding:
    advice = f"NODE_EXTRA_CA_CERTS={certificate}"
    if not path:
        return Finding("wrong", "Claude Code doesn't trust the proxy's CA", advice)
    try:
        trusted = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or "not a certificate"
        return Finding("wrong", f"NODE_EXTRA_CA_CERTS: {path}: {why}", advice)
    try:
        ours = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return Finding("note", f"Claude Code trusts {path}")
    if ours not in trusted:
        return Finding("wrong", f"NODE_EXTRA_CA_CERTS: {path} isn't the proxy's CA", advice)
    return Finding("ok", f"Claude Code trusts the proxy's CA ({path})")


async def _providers(profile: profiles.Profile, environ: Mapping[str, str]) -> Iterable[Finding]:
    try:
        rules = proxies.rules(for_the_proxy(environ), profile.upstream_proxy)
    except ValueError as e:
        return [Finding("wrong", f"The environment's proxy: {e}", "correct the variable")]
    questions = list(probe.questions(profile))
    answers = await asyncio.gather(*(probe.ask(question, rules) for question in questions))
    return [
        *(Finding("ok", line) for line in proxies.announcement(rules)),
        *map(finding, questions, answers, itertools.repeat(rules)),
    ]


def for_the_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what leads Claude Code to our forward listener: the proxy doesn't use
    itself."""
    names = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")

    def is_ours(value: str) -> bool:
        try:
            proxy = proxies.parse(value)
        except ValueError:
            return False
        return proxies.is_loopback(proxy.host) and proxy.port == FORWARD_PORT

    return {
        name: value
        for name, value in environ.items()
        if name not in names or not value or not is_ours(value)
    }


def finding(
    question: probe.Question, answer: probe.Answer, rules: proxies.Rules = NO_RULES
) -> Finding:
    provider = question.provider
    way = rules.proxy(provider.scheme, provider.host, provider.port)
    source = "upstream_proxy" if rules.configured else f"{provider.scheme.upper()}_PROXY"
    where = f"{question.name}: {question.provider.base_url}"
    match answer.verdict:
        case "accepted":
            what = "answers" if question.secret is None else "answers, and accepts the key"
            return Finding("ok", f"{where} {what}")
        case "unclear":
            return Finding(
                "ok", f"{where} answers, but not whether it accepts the key ({answer.why})"
            )
        case "refused":
            return Finding(
                "wrong", f"{where} refuses the key: {answer.why}", "check its key in .env"
            )
        case "failed":
            return Finding("wrong", f"{where} fails: {answer.why}", "try again later")
        case "untrusted":
            return Finding("wrong", f"{where} can't be asked: {answer.why}", CERTIFICATES)
        case "barred":
            advice = (
                f"correct the user and password in {source}, or have whoever runs that proxy let "
                f"{provider.host} pass"
            )
            return Finding("wrong", f"{where} can't be reached: {answer.why}", advice)
        case "unreachable" if way:
            advice = f"check whether {source} names the right proxy ({way}), and whether it runs"
            return Finding("wrong", f"{where} can't be reached: {answer.why}", advice)
        case "unreachable":
            advice = (
                "start its server, if you want it"
                if proxies.is_loopback(question.provider.host)
                else "behind a company's proxy, set HTTPS_PROXY or upstream_proxy (docs/profiles.md)"
            )
            return Finding("wrong", f"{where} can't be reached: {answer.why}", advice)


def run(profile_name: str, *, url: str, confdir: Path, online: bool) -> int:
    """Print the findings as they come. Returns the exit status: 1 if something is wrong."""
    is_wrong = False
    for one in findings(profile_name, os.environ, url=url, confdir=confdir, online=online):
        print(one, flush=True)
        is_wrong |= one.mark == "wrong"
    return int(is_wrong)
