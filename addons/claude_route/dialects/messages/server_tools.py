"""Tools that Anthropic's servers run, and that no other provider has.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview. Claude Code searches the web with a
request of its own, whose only tool is the search. A model without that tool would answer from memory, and
Claude Code would present that as what the search has found.
"""

from __future__ import annotations

import msgspec

from claude_route.wire import rawjson

NAMES = ("web_search", "web_fetch", "code_execution")
"""Their types have a date after the name: `web_search_20250305`."""


class _Tool(msgspec.Struct):
    type: str = ""


def alone(tools: msgspec.Raw) -> tuple[str, ...]:
    """The names of the server tools in `tools`, each once; empty if there is any other tool, or none at
    all. A request with other tools can do without these."""
    # Looking for the names first saves decoding the tools of nearly all requests.
    raw = bytes(tools)
    if not any(name.encode() in raw for name in NAMES):
        return ()
    try:
        listed = rawjson.decode(tools, list[_Tool])
    except ValueError:
        return ()
    names = [_name(tool.type) for tool in listed]
    return tuple(dict.fromkeys(names)) if all(names) else ()


def _name(type: str) -> str:
    return next((name for name in NAMES if type == name or type.startswith(f"{name}_")), "")
