"""What we replace in mitmproxy: one file each, with why, and when it can go.

Nothing of ours is imported here: what a patch needs is handed to it. Each replacement wraps what it
replaces (functools.wraps), so that the original can still be looked at. `digests` lists the code of
mitmproxy's that we replace or rely on.
"""
