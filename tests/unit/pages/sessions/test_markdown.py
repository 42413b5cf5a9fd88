from __future__ import annotations

import pytest

from claude_route.pages.sessions import markdown
from tests import growth


def test_html() -> None:
    assert markdown.html("**a** `b`") == "<p><strong>a</strong> <code>b</code></p>\n"
    assert "<table>" in markdown.html("|a|\n|-|\n|b|")
    assert 'rel="noreferrer noopener"' in markdown.html("[a](https://example.com)")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![a](https://example.com/x.png)",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&colon;alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "<javascript:alert(1)>",
        '[a](https://x" onmouseover="alert(1))',
        '```x" onclick="alert(1)\n```',
    ],
)
def test_nothing_runs_or_loads(text: str) -> None:
    html = markdown.html(text).lower()
    for part in ("<script", "<img", 'href="javascript', 'href="data', '" onmouseover', '" onclick'):
        assert part not in html


@pytest.mark.parametrize(
    "piece", ["[", "*a", "> ", "`", "![[](", "_a_*", "- ", "|a", "<a", "&", "1) "]
)
def test_text_takes_linear_time(piece: str) -> None:
    assert growth.of(lambda size: markdown.html(piece * (size // len(piece))), 5000) < growth.LINEAR


def test_no_text_is_longer() -> None:
    assert markdown.html("a" * 2 * markdown.MAX_TEXT).count("a") == markdown.MAX_TEXT
