"""The script that `claude-route` passes to mitmproxy's -s; like addons/route.py in a clone."""

from claude_route import app

addons = app.addons()
