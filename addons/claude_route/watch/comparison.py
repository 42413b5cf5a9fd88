"""Copies of one request for several models, so that their answers can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from mitmproxy import flow
from mitmproxy import http

from claude_route.access import paths
from claude_route.proxy import attempt
from claude_route.watch import failed_attempts
from claude_route.watch import labels
from claude_route.wire import http_message
from claude_route.wire import rawjson

MOST = 3
"""Models at a time: beside the answer that there is, the page that compares has room for as many."""


def copies(original: flow.Flow, models: Sequence[str]) -> list[http.HTTPFlow]:
    """The flows, not sent yet. They have the labels and the session of the original.

    Raises:
        ValueError: there is nothing to send.
    """
    if not 1 <= len(models) <= MOST:
        raise ValueError(f"models: expected 1 to {MOST}, got {len(models)}")
    if not isinstance(original, http.HTTPFlow) or not _is_question(original):
        raise ValueError("flow: expected a client's request for an answer, got something else")
    if original.request.raw_content is None:
        raise ValueError("flow: expected a request with its body, which is no longer in memory")
    fields = rawjson.decode_mended(original.request.get_content() or b"", dict[str, msgspec.Raw])
    if rawjson.kind(fields.pop("thread", rawjson.NULL)) == "continue":
        raise ValueError(
            "flow: expected a whole conversation, got the end of a thread that only Anthropic has"
        )
    return [_copy(original, fields | {"model": rawjson.encode(model)}) for model in models]


def _is_question(original: http.HTTPFlow) -> bool:
    return (
        attempt.is_wanted(original.request)
        and http_message.path(original.request) == paths.MESSAGES
        and original.marked != failed_attempts.MARKER
    )


def _copy(original: http.HTTPFlow, fields: dict[str, msgspec.Raw]) -> http.HTTPFlow:
    copy: http.HTTPFlow = original.copy()
    copy.request.headers.pop("content-encoding", None)
    copy.request.content = msgspec.json.encode(fields)
    copy.response = copy.error = None
    copy.is_replay = "request"
    copy.comment = copy.marked = ""
    asked_first = labels.read(original.metadata).compares or original.id
    copy.metadata = labels.Labels(compares=asked_first).to_metadata()
    return copy
