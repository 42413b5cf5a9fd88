"""The list of flows in mitmweb and the console: a line about each flow, and none about telemetry."""

from __future__ import annotations

import re
import time

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route import options
from claude_route.dialects import error_body
from claude_route.dialects import registry
from claude_route.dialects import usage
from claude_route.pages import table
from claude_route.proxy import contract
from claude_route.text import layout
from claude_route.watch.views import claude
from claude_route.watch.views import comments
from claude_route.wire import http_message

COLUMNS = ["status", "comment", "time"]

_UNLISTED = "|".join(path.lstrip("/") for path in ("/api/", *table.unlisted()))

FILTER = f"~marked | ~u /v1/messages | !~u '^[^/]+//[^/]+/({_UNLISTED})'"
"""What Claude Code says to the API about itself, and pages of ours that programs poll, are left
out; attempts at providers whose paths begin with /api/ are marked."""

COMMENT = "route_comment"
"""In a flow's metadata: the comment of ours, which may be replaced. Any other is a user's."""

_TOLD = ("route_model", "route_target", "route_attempts", "route_token", "route_session")
_COUNTED = ("route_state", "route_tokens_in", "route_tokens_cached", "route_tokens_out")

# Claude Code writes the model first.
_MODEL = re.compile(rb'\s*\{\s*"model"\s*:\s*"([^"\\]{1,200})"')


class Rows:
    """Says of each flow what it is, and sets the columns and the filter that go with it."""

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "show_all", bool, False, "Show Claude Code's telemetry and settings in the list, too."
        )

    def configure(self, updated: set[str]) -> None:
        if "show_all" in updated:
            shown = None if ctx.options.show_all else FILTER
            options.set_default("view_filter", shown, ours=(FILTER, None))
            options.set_default("web_columns", COLUMNS)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.is_replay:
            for key in (*_TOLD, *_COUNTED):
                flow.metadata.pop(key, None)
        if claude.is_ours(flow):
            write(flow, comments.waiting(""))
        else:
            write(flow, comments.passed(flow.request.method, flow.request.path))

    def request(self, flow: http.HTTPFlow) -> None:
        if claude.is_ours(flow):
            write(flow, comments.waiting(asked(flow)))


def write(flow: http.HTTPFlow, comment: str) -> None:
    if flow.comment in ("", flow.metadata.get(COMMENT)):
        flow.comment = flow.metadata[COMMENT] = comment


def running(flow: http.HTTPFlow, reply: contract.Reply) -> None:
    """The answer has grown."""
    write(
        flow,
        comments.answered(*who(flow), reply.usage, seconds(flow), output=reply.output),
    )


def ended(flow: http.HTTPFlow, reply: contract.Reply | None) -> None:
    """It is over, for better or worse; `reply` is what an upstream answered, if one did."""
    if not claude.is_ours(flow):
        if flow.error:
            why = layout.one_line(flow.error.msg)
            write(flow, comments.passed(flow.request.method, flow.request.path, why))
        return
    used = reply.usage if reply else _usage(flow)
    why = failure(flow, reply)
    flow.metadata["route_state"] = "failed" if why else "complete"
    if used:
        flow.metadata["route_tokens_in"] = used.prompt
        flow.metadata["route_tokens_cached"] = used.cache_read
        flow.metadata["route_tokens_out"] = used.output
    if why:
        write(flow, comments.failed(*who(flow), why))
    elif used and http_message.path(flow.request).endswith("/count_tokens"):
        model, target, _ = who(flow)
        write(flow, comments.counted(model, target, used.prompt, seconds(flow)))
    else:
        write(flow, comments.answered(*who(flow), used, seconds(flow)))


def who(flow: http.HTTPFlow) -> tuple[str, str, int]:
    """The client's model, the target, and how many attempts it took."""
    told = flow.metadata
    model = told.get("route_model") or asked(flow)
    return str(model), str(told.get("route_target") or ""), int(told.get("route_attempts") or 1)


def asked(flow: http.HTTPFlow) -> str:
    """The model in a request's body, where it can be had without reading all of it."""
    found = _MODEL.match((flow.request.raw_content or b"")[:1000])
    return found[1].decode("utf-8", "replace") if found else ""


def seconds(flow: http.HTTPFlow) -> float:
    ended = flow.response.timestamp_end if flow.response else None
    return max((ended or time.time()) - flow.request.timestamp_start, 0)


def failure(flow: http.HTTPFlow, reply: contract.Reply | None) -> str:
    """Why there is no answer, or not all of one; empty where there is."""
    response = flow.response
    if flow.error:
        return flow.error.msg
    if response is None:
        return "no answer"
    if response.status_code >= 400:
        fault = error_body.read(response.raw_content or b"")
        # What an upstream is known for is told by the error's type; our own words are short.
        known = flow.metadata.get("route_target") and fault.kind
        status = str(response.status_code)
        # Web pages repeat it in their titles.
        said = known or error_body.clean(fault.message).removeprefix(status).strip()
        return f"{status} {said}".strip()
    if reply and reply.error:
        return reply.error
    if reply and not reply.complete:
        return "broke off"
    return ""


def _usage(flow: http.HTTPFlow) -> usage.Usage | None:
    """Of an answer of our own."""
    response = flow.response
    if response is None or response.status_code >= 400:
        return None
    return registry.MESSAGES.usage(response.raw_content or b"")
