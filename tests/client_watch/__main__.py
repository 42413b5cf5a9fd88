"""Compares what a Claude Code sends with what is known.

    uv run --dev python -m tests.client_watch [--claude PATH] [--update]

It runs the client through both listeners against the simulator; nothing leaves the machine but the
download from npm. The exit status is 1 if there is a difference, or 0 once it is recorded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.client_watch import record
from tests.client_watch import scenes

PACKAGE = "@anthropic-ai/claude-code@latest"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.client_watch", description=__doc__)
    parser.add_argument(
        "--claude", type=Path, metavar="PATH", help="an installed client; else the newest from npm"
    )
    parser.add_argument(
        "--update", action="store_true", help="write the differences into the record"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="client-watch-") as name:
        folder = Path(name)
        claude = options.claude.absolute() if options.claude else install(folder)
        return watch(claude, folder, update=options.update)


def install(folder: Path) -> Path:
    """The newest client. Raises subprocess.CalledProcessError."""
    command = ("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder))
    subprocess.run([*command, PACKAGE], check=True, stdout=sys.stderr)
    package = folder / "node_modules" / "@anthropic-ai" / "claude-code"
    # Where npm is set to run no install steps of packages.
    subprocess.run(["node", "install.cjs"], check=True, cwd=package, stdout=sys.stderr)
    return folder / "node_modules" / ".bin" / "claude"


def watch(claude: Path, folder: Path, *, update: bool) -> int:
    version = scenes.version(claude)
    entries = record.read()
    differences = []
    for listener in (scenes.REVERSE, scenes.FORWARD):
        print(f"Claude Code {version}, {listener} listener", file=sys.stderr)
        stage = folder / listener
        stage.mkdir()
        sent = scenes.sent(claude, listener, stage, report)
        differences += record.differences(entries, listener, version, sent)
        entries = record.updated(entries, listener, version, sent)
    for difference in differences:
        print(difference)
    if update:
        record.write(entries)
    elif differences:
        return 1
    print(f"known: {record.summary(entries)}")
    return 0


def report(line: str) -> None:
    print(f"  {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
