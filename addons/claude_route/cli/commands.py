"""Runs the command that the arguments name."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from claude_route import explain
from claude_route import installation
from claude_route.access import guard
from claude_route.cli import arguments
from claude_route.cli import check
from claude_route.cli import doctor
from claude_route.cli import export
from claude_route.cli import keys
from claude_route.cli import litellm_import
from claude_route.cli import run
from claude_route.cli import status
from claude_route.cli import up
from claude_route.cli import usage as usages
from claude_route.profile import files
from claude_route.profile import profiles
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation


def main(line: Sequence[str]) -> int:
    """Run the command in the arguments. Returns the exit status."""
    options, passed_on = arguments.parse(line)
    try:
        return COMMANDS[options.command](options, passed_on)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except InterruptedError as e:
        return 128 + signal.Signals[str(e)].value
    except BrokenPipeError:
        # Whoever read the output, `head` for one, wants no more. Python would report the same again
        # when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, OSError) as e:
        # One line: a user's mistake needs no traceback.
        print(f"claude-route {options.command}: {e}", file=sys.stderr)
        return run.NOT_FOUND if isinstance(e, FileNotFoundError) else 1


def _up(options: argparse.Namespace, passed_on: Sequence[str]) -> int:
    tool: up.Tool = "mitmweb" if options.web else "mitmproxy" if options.console else "mitmdump"
    if options.workers < 1:
        raise ValueError(f"--workers: expected a number above 0, got {options.workers}")
    return up.up(tool, options.profile, passed_on, options.workers)


def _run(options: argparse.Namespace, passed_on: Sequence[str]) -> int:
    return run.run(
        passed_on,
        executable=options.exec,
        profile_name=options.profile,
        base_url=options.base_url,
        web=options.web,
    )


def _check(options: argparse.Namespace, _: Sequence[str]) -> int:
    name = options.profile if options.named is None else options.named
    environ = _environ()
    return _print(
        check.lines(
            _profile(name),
            has_key=any(environ.get(name) for name in guard.KEYS),
        )
    )


def _explain(options: argparse.Namespace, _: Sequence[str]) -> int:
    profile = _profile(options.profile)
    client = profile.client(options.client) if options.client is not None else None
    pool = rotation.Pool(
        profile.pool.tokens,
        names=profile.pool.names,
        strategy=profile.pool.strategy,
        cooldown=profile.pool.cooldown,
        clock=time.time,
    )
    breakers, learned = breaker.Breaker(time.monotonic), lessons.Lessons(time.monotonic)
    _print([explain.route(profile, pool, breakers, learned, options.model, client)])
    return 0 if explain.is_answered(profile, options.model, client) else 1


def _import(options: argparse.Namespace, _: Sequence[str]) -> int:
    file: Path = options.env or Path(".env")
    if options.env and not file.is_file():
        raise ValueError(f"--env: expected a file, got {str(file)!r}")
    environ = files.environment(file.parent, os.environ, name=file.name)
    return _print([litellm_import.profile_text(options.config, environ)])


def _key(options: argparse.Namespace, _: Sequence[str]) -> int:
    return _print([keys.text(options.name, keys.make())])


def _status(options: argparse.Namespace, _: Sequence[str]) -> int:
    report = status.fetch(options.url, _environ().get("PROXY_STATIC_TOKEN") or None)
    return _print([json.dumps(report, indent=2)] if options.json else status.lines(report))


def _usage(options: argparse.Namespace, _: Sequence[str]) -> int:
    asked = {"by": options.by, "since": options.since, "until": options.until}
    parameters = {name: value for name, value in asked.items() if value}
    parameters["format"] = "csv" if options.csv else "json"
    environ = _environ()
    try:
        text = usages.of_proxy(options.url, parameters, environ.get("PROXY_STATIC_TOKEN") or None)
    except ConnectionError:
        text = usages.of_ledger(_profile(options.profile).ledger.url, parameters, environ)
    if options.csv or options.json:
        return _print([text.rstrip("\r\n").replace("\r\n", "\n")])
    return _print(usages.lines(json.loads(text)))


def _export(options: argparse.Namespace, _: Sequence[str]) -> int:
    file: Path | None = options.file
    ending = file.suffix.removeprefix(".") if file else ""
    form = options.format or (ending if ending in export.FORMATS else "html")
    key = _environ().get("PROXY_STATIC_TOKEN") or None
    body = export.fetch(options.url, options.session, form, key)
    if file:
        export.write(body, file)
        return 0
    return _print([body.decode("utf-8", "replace").rstrip("\n")])


def _doctor(options: argparse.Namespace, _: Sequence[str]) -> int:
    return doctor.run(
        options.profile, url=options.url, confdir=options.confdir, online=options.online
    )


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Sequence[str]], int]] = {
    "up": _up,
    "run": _run,
    "check": _check,
    "explain": _explain,
    "import": _import,
    "key": _key,
    "status": _status,
    "usage": _usage,
    "export": _export,
    "doctor": _doctor,
}


def _environ() -> dict[str, str]:
    return files.environment(Path.cwd(), os.environ)


def _profile(name: str) -> profiles.Profile:
    return profiles.read(files.locate(name, installation.PROFILES), _environ())


def _print(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    return 0
