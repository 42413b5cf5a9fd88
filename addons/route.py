"""Routes Claude Code's requests to the providers that a profile names.

Run as follows: mitmdump -s addons/route.py
"""

from claude_route import installation

# Before the first import of a library that a plain mitmproxy doesn't have.
installation.require_libraries()

from claude_route import app  # noqa: E402

# A function, so that a script that mitmproxy loads again gets new addons. Nothing else is public
# here: mitmproxy takes whatever is named like a hook for one.
addons = app.addons()
