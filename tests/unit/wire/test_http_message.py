from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.test import tutils

from claude_route.wire import http_message

FIELDS = ((b"Host", b"a"), (b"X-One", b"1"), (b"x-one", b"2"), (b"Accept", b"*/*"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, FIELDS),
        ({b"host": b"b"}, ((b"Host", b"b"), *FIELDS[1:])),
        ({b"x-one": None}, (FIELDS[0], FIELDS[3])),
        ({b"x-one": b"3"}, (FIELDS[0], (b"X-One", b"3"), FIELDS[3])),
        ({b"new": b"1", b"gone": None}, (*FIELDS, (b"new", b"1"))),
    ],
)
def test_changed(changes: http_message.Changes, expected: http_message.Fields) -> None:
    assert http_message.changed(FIELDS, changes) == expected


@pytest.mark.parametrize(
    ("asked", "path"), [("/a?b=c", "/a"), ("/a", "/a"), ("/a?", "/a"), ("/a?b?c", "/a")]
)
def test_path(asked: str, path: str) -> None:
    assert http_message.path(tutils.treq(path=asked.encode())) == path


def test_like_leaves_the_first_as_it_was() -> None:
    request = tutils.treq(path=b"/one", content=b"body")
    other = http_message.like(request, path=b"/two", headers=http.Headers())
    assert (request.path, other.path) == ("/one", "/two")
    assert "content-length" in request.headers
    assert not other.headers
    assert other.content == b"body"
    response = http_message.like(tutils.tresp(), status_code=404)
    assert response.status_code == 404
    assert isinstance(response, http.Response)


def test_headers_by_their_names() -> None:
    fields = [(b"A", b"1"), (b"b", b"\xff"), (b"a", b"2")]
    assert http_message.by_name(fields) == {"a": "1, 2", "b": "\udcff"}
