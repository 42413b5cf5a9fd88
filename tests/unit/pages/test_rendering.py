from __future__ import annotations

import builtins
import errno
import re

import pytest

from claude_route.pages import rendering

VALUES = {
    "release": "1.0",
    "profile": "team",
    "models": [],
    "left_out": 0,
    "paths": {"/health": "whether it runs"},
}


def links(page: bytes) -> list[str]:
    """The texts of the navigation's links, the current one marked."""
    (found,) = re.findall(r"<nav .*?</nav>", page.decode(), re.DOTALL)
    links = re.findall(r"<a href=\"([^\"]*)\"( aria-current=\"page\")?>(\w+)</a>", found)
    return [f"{name} {url}{' here' if current else ''}" for url, current, name in links]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            rendering.Frame(),
            ["Sessions sessions", "Usage usage", "Status status", "About ./ here"],
        ),
        (
            rendering.Frame("../", in_mitmweb=True),
            ["Sessions ../sessions", "Usage ../usage", "Status ../status", "Flows ../"],
        ),
    ],
)
def test_navigation(frame: rendering.Frame, expected: list[str]) -> None:
    assert links(rendering.render("home.html", frame, **VALUES)) == expected


def test_templates_are_there_when_no_file_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(builtins, "open", open_)  # for Jinja
    template = rendering.environment().get_template("home.html")
    assert template.render(view=rendering.Frame(), **VALUES)


def test_links_for_another_page() -> None:
    assert rendering.links().startswith('<a href="./sessions">Sessions</a><a href="./usage">')


def test_all_text_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    page = rendering.render("home.html", rendering.Frame(), **{**VALUES, "profile": hostile})
    assert b"<script>" not in page
    assert b"&lt;script&gt;alert(1)" in page
