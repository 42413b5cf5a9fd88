from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tutils

from claude_route.patches import message_types


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    uninstall = message_types.install()
    yield
    uninstall()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("content", "text"),
        ("headers", {}),
        ("timestamp_start", "now"),
        ("status_code", "200"),
        ("reason", None),
        ("trailers", b""),
    ],
)
def test_a_wrong_type_is_still_an_error(part: str, value: Any) -> None:
    fields = vars(tutils.tresp().data)
    with pytest.raises(TypeError, match=f"for {part}, but got"):
        http.ResponseData(**{**fields, part: value})


def test_nothing_is_left_for_a_collection() -> None:
    fields = vars(tutils.tresp().data) | {"trailers": None, "content": None, "timestamp_end": 1}
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            http.ResponseData(**fields)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_it_can_be_undone() -> None:
    replaced = vars(http.MessageData)["__post_init__"]
    message_types.install()()
    assert vars(http.MessageData)["__post_init__"] is replaced
