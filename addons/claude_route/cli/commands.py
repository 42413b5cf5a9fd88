"""The command line: parses the arguments and runs the command."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

from claude_route import explain
from claude_route import installation
from claude_route.access import guard
from claude_route.cli import check
from claude_route.cli import doctor
from claude_route.cli import export
from claude_route.cli import keys
from claude_route.cli import litellm_import
from claude_route.cli import run
from claude_route.cli import status
from claude_route.cli import up
from claude_route.cli import usage as usages
from claude_route.ledger import reports
from claude_route.profile import profiles
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation

PROFILE = "a name in profiles/, or a file's path (default: %(default)s)"


def main(arguments: Sequence[str]) -> int:
    """Run the command in the arguments. Returns the exit status."""
    parser = make_parser()
    options, passed_on = parse(parser, arguments)
    try:
        return int(options.function(options, passed_on))
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


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """The command with its options, and the arguments to pass on to another program.

    Raises SystemExit for --help, --version and invalid arguments.
    """
    first = arguments[0] if arguments else ""
    if first not in ("-h", "--help", "--version") and (not first or first.startswith("-")):
        arguments = ["up", *arguments]
    if arguments[0] == "up":
        return parser.parse_known_args(arguments)
    if arguments[0] == "run":
        own, passed_on = divide(arguments[1:])
        return parser.parse_args(["run", *own]), passed_on
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # By the command's own parser, which shows the usage of the command.
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options, []


def divide(options: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments of `run` into our options and those of the program that it starts.

    Ours come before all others: in `run -p hello`, -p is Claude Code's. argparse can't do this: it
    recognises our options anywhere among the arguments.
    """
    place = 0
    while place < len(options):
        match options[place]:
            case "--":
                return list(options[:place]), list(options[place + 1 :])
            case "--exec":
                program, rest = options[: place + 2], list(options[place + 2 :])
                return list(program), rest[1:] if rest[:1] == ["--"] else rest
            case "--profile":
                place += 2
            case "--web" | "--base-url" | "-h" | "--help":
                place += 1
            case option if option.startswith("--profile="):
                place += 1
            case _:
                break
    return list(options[:place]), list(options[place:])


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "claude-route",
        description="Routes Claude Code's requests to the providers that a profile names. Without "
        "a command: up.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=installation.versions())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(
        name: str,
        function: Callable[[argparse.Namespace, Sequence[str]], int],
        summary: str,
        *,
        usage: str | None = None,
        epilog: str | None = None,
    ) -> argparse.ArgumentParser:
        subparser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary}.",
            usage=usage,
            epilog=epilog,
            allow_abbrev=False,
        )
        subparser.set_defaults(function=function, parser=subparser)
        return subparser

    command = add(
        "up",
        _up,
        "Start the proxy: mitmdump with our addons",
        usage="claude-route [up] [--web | --console] [--workers N] [--profile P] "
        "[MITMPROXY ARGUMENTS]",
        epilog="All other arguments are mitmproxy's: see `mitmdump --help`.",
    )
    tools = command.add_mutually_exclusive_group()
    tools.add_argument("--web", action="store_true", help="start mitmweb instead, in a browser")
    tools.add_argument(
        "--console", action="store_true", help="start mitmproxy instead, in the terminal"
    )
    command.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="run N processes that share the listeners, so that N cores are used (default: 1)",
    )
    command.add_argument("--profile", metavar="P", help="the same as --set profile=P")

    command = add(
        "run",
        _run,
        "Start Claude Code, or another program, with a proxy of its own",
        usage="claude-route run [--profile P] [--web] [--base-url] [--exec PROGRAM] [--] [ARGUMENTS]",
        epilog="All further arguments go to the program: claude-route run -p hello. The proxy ends "
        "with the program, and run returns its exit status.",
    )
    command.add_argument("--profile", default="default", metavar="P", help=PROFILE)
    command.add_argument(
        "--web", action="store_true", help="use mitmweb, and open the page of the session"
    )
    command.add_argument(
        "--base-url", action="store_true", help="set ANTHROPIC_BASE_URL instead of HTTPS_PROXY"
    )
    command.add_argument(
        "--exec", metavar="PROGRAM", help="start this program instead of Claude Code"
    )

    command = add("check", _check, "Check a profile or a LiteLLM config, and describe it")
    named = command.add_mutually_exclusive_group()
    named.add_argument("profile", nargs="?", default="default", metavar="PROFILE", help=PROFILE)
    named.add_argument(
        "--profile", dest="named", metavar="P", help="the same, as other commands have it"
    )

    command = add(
        "explain",
        _explain,
        "Show which targets would be tried for a model, in which order, and why",
    )
    command.add_argument("model", metavar="MODEL", help="as Claude Code names it")
    command.add_argument("--profile", default="default", metavar="P", help=PROFILE)
    command.add_argument("--client", metavar="NAME", help="as this client of the profile may ask")

    command = add("import", _import, "Print a LiteLLM config as a profile")
    command.add_argument("config", type=Path, metavar="CONFIG.yaml")
    command.add_argument(
        "--env",
        type=Path,
        metavar=".env",
        help="LiteLLM's .env file; its variables decide where the Claude tokens come from",
    )

    command = add("key", _key, "Generate a key for a client, and print it once")
    command.add_argument("name", metavar="NAME", help="the client's name")

    command = add(
        "status",
        _status,
        "Show tokens, targets and traffic of a running proxy",
        epilog="If the proxy requires a key, set it in PROXY_STATIC_TOKEN.",
    )
    _add_url(command)
    command.add_argument("--json", action="store_true", help="print all of it as JSON")

    command = add(
        "usage",
        _usage,
        "Show tokens and cost by client, model, day and more",
        epilog="A running proxy is asked; if there is none, the ledger of the profile is read. If the proxy "
        "requires a key, set it in PROXY_STATIC_TOKEN.",
    )
    command.add_argument(
        "--by",
        default="",
        metavar="COLUMNS",
        help=f"some of {','.join(reports.COLUMNS)} (default: {','.join(reports.DEFAULT_BY)})",
    )
    command.add_argument(
        "--since", default="", metavar="WHEN", help="a date, or how long ago: 7d (default: 30d)"
    )
    command.add_argument("--until", default="", metavar="WHEN", help="a date, or how long ago")
    command.add_argument("--csv", action="store_true", help="print all of it as CSV")
    command.add_argument("--json", action="store_true", help="print all of it as JSON")
    command.add_argument("--profile", default="default", metavar="P", help=PROFILE)
    _add_url(command)

    command = add(
        "export",
        _export,
        "Save a session of a running proxy as a file",
        epilog="Without FILE it is printed. Whole requests and answers are in it as far as the proxy keeps "
        "them: see its option keep_bodies. If the proxy requires a key, set it in PROXY_STATIC_TOKEN.",
    )
    command.add_argument(
        "session", metavar="SESSION", help="its id, the beginning of it, or `last`"
    )
    command.add_argument("file", metavar="FILE", nargs="?", type=Path)
    command.add_argument(
        "--format",
        choices=export.FORMATS,
        help="html: a page that needs nothing else; jsonl: a line for each turn; har: requests and "
        "answers (default: as FILE ends, or html)",
    )
    _add_url(command)

    command = add(
        "doctor",
        _doctor,
        "Check what a working setup needs, and say what to do about the rest",
        epilog="Each line begins with ok, -- (good to know) or !! (wrong). The exit status is 1 if "
        "something is wrong.",
    )
    command.add_argument("--profile", default="default", metavar="P", help=PROFILE)
    command.add_argument(
        "--online",
        action="store_true",
        help="also ask each provider for its list of models, which shows whether it can be reached "
        "and accepts its key",
    )
    _add_url(command)
    command.add_argument(
        "--confdir",
        type=Path,
        default=Path("~/.mitmproxy"),
        metavar="DIR",
        help="mitmproxy's folder, with its CA (default: %(default)s)",
    )
    return parser


def _add_url(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--url", default=status.URL, help="URL of the reverse listener (default: %(default)s)"
    )


def _doctor(options: argparse.Namespace, _: Sequence[str]) -> int:
    return doctor.run(
        options.profile, url=options.url, confdir=options.confdir, online=options.online
    )


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
    environ = profiles.environment(file.parent, os.environ, name=file.name)
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


def _environ() -> dict[str, str]:
    return profiles.environment(Path.cwd(), os.environ)


def _profile(name: str) -> profiles.Profile:
    return profiles.read(profiles.locate(name, installation.PROFILES), _environ())


def _print(lines: Iterable[str]) -> int:
    for line in lines:
        print(line)
    return 0
