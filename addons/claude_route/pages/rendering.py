"""Renders the templates of all pages in one frame: the same head, navigation and style. All text is escaped,
whoever wrote it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2

from claude_route.text import quantities


def templates(folder: Path) -> Mapping[str, str]:
    """Those of a folder, by their names. Read with the code that fills them in: another version's files may
    be there by the time of the first page."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}


TEMPLATES = templates(Path(__file__).parent / "templates")

PAGES = ("sessions", "usage", "status")
"""The names of the pages in the navigation, in its order. Each one's path is its name."""


@dataclass(frozen=True)
class Frame:
    """Where a page is shown."""

    root: str = ""
    """From the page to the folder of `sessions`: links are relative, as mitmweb may be below a path of a front
    end's."""
    in_mitmweb: bool = False


def environment(own: Mapping[str, str] = MappingProxyType({})) -> jinja2.Environment:
    """`own` are templates that may extend those of all pages."""
    made = jinja2.Environment(
        loader=jinja2.DictLoader({**TEMPLATES, **own}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": quantities.count,
        "duration": quantities.duration,
        "money": quantities.dollars,
        "percent": quantities.percent,
        "rate": quantities.rate,
        "seconds": quantities.seconds,
        "short": quantities.short,
        "size": quantities.size,
    }
    made.globals["PAGES"] = PAGES
    return made


@functools.cache
def _own() -> jinja2.Environment:
    return environment()


def render(template: str, frame: Frame, **values: Any) -> bytes:
    page = _own().get_template(template).render(view=frame, **values)
    return page.encode("utf-8", "replace")


def links() -> str:
    """The links of the navigation, for mitmweb's own page."""
    return "".join(f'<a href="./{name}">{name.capitalize()}</a>' for name in PAGES)
