from __future__ import annotations

import time

import pytest

from claude_route.pages.sessions import markdown


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
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    markdown.html(piece * (markdown.MAX_TEXT // len(piece)))
    assert time.process_time() - began < 5
