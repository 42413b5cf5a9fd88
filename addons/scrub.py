"""The scrubbing of requests and answers, for mitmproxy scripts of your own.

    import scrub

docs/scripts.md has a whole script. This is `claude_route.dialects.messages.scrub` under a public
name.
"""

import sys

from claude_route.dialects.messages import scrub

sys.modules[__name__] = scrub
