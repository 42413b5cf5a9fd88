"""The script for the mitmproxy that `claude-route run` starts for one program."""

from claude_route import app
from claude_route.cli import companion

addons = [*app.addons(), companion.Companion()]
