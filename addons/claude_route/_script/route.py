"""What `claude-route` gives to mitmproxy's -s: the same as addons/route.py in a clone."""

from claude_route import app

addons = app.addons()
