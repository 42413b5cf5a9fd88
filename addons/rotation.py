"""The pool of Claude tokens, for mitmproxy scripts of your own that stand beside this one.

    import rotation

    pool = rotation.Pool([...], clock=time.time)

docs/scripts.md has a whole script. This is `claude_route.routing.rotation` under a public name.
"""

import sys

from claude_route.routing import rotation

sys.modules[__name__] = rotation
