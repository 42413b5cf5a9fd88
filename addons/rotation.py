"""The pool of Claude tokens, for mitmproxy scripts of your own that are in this folder.

    import rotation

    pool = rotation.Pool([...], clock=time.time)

docs/scripts.md has a whole script. This is `claude_route.routing.rotation` under a public name.
"""

import sys

from claude_route.routing import rotation

sys.modules[__name__] = rotation
