"""The command `claude-route`."""

from __future__ import annotations

import sys

from claude_route.cli import commands


def main() -> None:
    sys.exit(commands.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
