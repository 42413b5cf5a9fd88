"""Markdown as HTML, for those who ask for it: without HTML of its author's, pictures, or links that run scripts."""

from __future__ import annotations

import functools
import importlib
from typing import Any

MAX_TEXT = 50_000
"""Characters that are rendered. It takes linear time, but up to 10 µs for each character, and the pages have one
thread."""


@functools.cache
def _parser() -> Any:
    # Imported with the first page that needs it: it takes longer than the page.
    library = importlib.import_module("markdown_it")
    # CommonMark and tables; `html` off escapes all tags, and pictures would be loaded from elsewhere.
    parser = library.MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.add_render_rule("link_open", _link)
    return parser


def _link(renderer: Any, tokens: Any, index: int, options: Any, environment: Any) -> str:
    tokens[index].attrSet("rel", "noreferrer noopener")
    html: str = renderer.renderToken(tokens, index, options, environment)
    return html


def html(text: str) -> str:
    """The beginning of a text, safe to put into a page as it is. The library lets through `http:` and such,
    but neither `javascript:` nor `data:` links."""
    rendered: str = _parser().render(text[:MAX_TEXT])
    return rendered
