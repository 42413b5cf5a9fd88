"""The code of mitmproxy that we replace: a file for each patch, with its reason and when to remove it.

`Upstream` is the issue or pull request of mitmproxy's about it. Patches import nothing of ours; they
get what they need as arguments. Each replacement wraps the original (functools.wraps), so that the
original can still be inspected. `digests` lists the code of mitmproxy that we replace or rely on.
"""
