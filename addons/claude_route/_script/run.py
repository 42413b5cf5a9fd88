"""What `claude-route run` gives to the -s of the mitmproxy that it starts for one program."""

from claude_route import app
from claude_route.cli import companion

addons = [*app.addons(), companion.Companion()]
