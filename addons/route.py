"""Routes Claude Code's requests to the providers that a profile names.

Run as follows: mitmdump -s addons/route.py
"""

from claude_route import installation

# Before the first import of a library that mitmproxy doesn't depend on.
installation.require_libraries()

from claude_route import app  # noqa: E402

# A function, so that a script that mitmproxy reloads gets new addons. Nothing else is public here:
# mitmproxy treats any name like a hook's as a hook.
addons = app.addons()
