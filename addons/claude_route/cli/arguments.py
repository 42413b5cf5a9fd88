"""The arguments of `claude-route` and its commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

from claude_route import installation
from claude_route.cli import export
from claude_route.cli import status
from claude_route.ledger import reports

PROFILE = "a name in profiles/, or a file's path (default: %(default)s)"

KEY = "If the proxy requires a key, set it in PROXY_STATIC_TOKEN."

type Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: its name, a summary, and perhaps its `usage` and an `epilog`."""


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command with its options, and the arguments to pass on to another program.

    Raises SystemExit for --help, --version and invalid arguments.
    """
    parser = make_parser()
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
        name: str, summary: str, *, usage: str | None = None, epilog: str | None = None
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary}.",
            usage=usage,
            epilog=epilog,
            allow_abbrev=False,
        )
        command.set_defaults(parser=command)
        return command

    for of_command in (
        _up,
        _run,
        _check,
        _explain,
        _import,
        _key,
        _status,
        _usage,
        _export,
        _doctor,
    ):
        of_command(add)
    return parser


def _up(add: Add) -> None:
    command = add(
        "up",
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


def _run(add: Add) -> None:
    command = add(
        "run",
        "Start Claude Code, or another program, with a proxy of its own",
        usage="claude-route run [--profile P] [--web] [--base-url] [--exec PROGRAM] [--] [ARGUMENTS]",
        epilog="All further arguments go to the program: claude-route run -p hello. The proxy ends "
        "with the program, and run returns its exit status.",
    )
    _add_profile(command)
    command.add_argument(
        "--web", action="store_true", help="use mitmweb, and open the page of the session"
    )
    command.add_argument(
        "--base-url", action="store_true", help="set ANTHROPIC_BASE_URL instead of HTTPS_PROXY"
    )
    command.add_argument(
        "--exec", metavar="PROGRAM", help="start this program instead of Claude Code"
    )


def _check(add: Add) -> None:
    command = add("check", "Check a profile or a LiteLLM config, and describe it")
    named = command.add_mutually_exclusive_group()
    named.add_argument("profile", nargs="?", default="default", metavar="PROFILE", help=PROFILE)
    named.add_argument(
        "--profile", dest="named", metavar="P", help="the same, as other commands have it"
    )


def _explain(add: Add) -> None:
    command = add(
        "explain",
        "Show which targets would be tried for a model, in which order, and why",
    )
    command.add_argument("model", metavar="MODEL", help="as Claude Code names it")
    _add_profile(command)
    command.add_argument("--client", metavar="NAME", help="as this client of the profile may ask")


def _import(add: Add) -> None:
    command = add("import", "Print a LiteLLM config as a profile")
    command.add_argument("config", type=Path, metavar="CONFIG.yaml")
    command.add_argument(
        "--env",
        type=Path,
        metavar=".env",
        help="LiteLLM's .env file; its variables decide where the Claude tokens come from",
    )


def _key(add: Add) -> None:
    command = add("key", "Generate a key for a client, and print it once")
    command.add_argument("name", metavar="NAME", help="the client's name")


def _status(add: Add) -> None:
    command = add(
        "status",
        "Show tokens, targets and traffic of a running proxy",
        epilog=KEY,
    )
    _add_url(command)
    command.add_argument("--json", action="store_true", help="print all of it as JSON")


def _usage(add: Add) -> None:
    command = add(
        "usage",
        "Show tokens and cost by client, model, day and more",
        epilog=f"A running proxy is asked; if there is none, the ledger of the profile is read. {KEY}",
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
    form = command.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print all of it as CSV")
    form.add_argument("--json", action="store_true", help="print all of it as JSON")
    _add_profile(command)
    _add_url(command)


def _export(add: Add) -> None:
    command = add(
        "export",
        "Save a session of a running proxy as a file",
        epilog="Without FILE it is printed. Whole requests and answers are in it as far as the proxy keeps "
        f"them: see its option keep_bodies. {KEY}",
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


def _doctor(add: Add) -> None:
    command = add(
        "doctor",
        "Check what a working setup needs, and say what to do about the rest",
        epilog="Each line begins with ok, -- (good to know) or !! (wrong). The exit status is 1 if "
        "something is wrong.",
    )
    _add_profile(command)
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


def _add_profile(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", default="default", metavar="P", help=PROFILE)


def _add_url(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--url", default=status.URL, help="URL of the reverse listener (default: %(default)s)"
    )
