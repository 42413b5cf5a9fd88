"""The list of flows in mitmweb and the console: writes a comment for each flow, and hides
telemetry."""

from __future__ import annotations

import functools
import re
import time
import weakref
from collections.abc import Callable

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route import options
from claude_route.access import clients
from claude_route.access import identity
from claude_route.access import live_secrets
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.dialects.messages import usage as messages_usage
from claude_route.pages import table
from claude_route.proxy import contract
from claude_route.sessions import misses
from claude_route.text import layout
from claude_route.watch import failed_attempts
from claude_route.watch import labels
from claude_route.watch import prices
from claude_route.watch import prompts
from claude_route.watch.views import claude
from claude_route.watch.views import comments
from claude_route.wire import http_message

COLUMNS = ["status", "comment", "time"]

_UNLISTED = "|".join(path.lstrip("/") for path in ("/api/", *table.unlisted()))

FILTER = f"~marked | ~u /v1/messages | !~u '^[^/]+//[^/]+/({_UNLISTED})'"
"""Hides Claude Code's telemetry and settings, and our pages that programs poll. Failed attempts at
providers whose paths begin with /api/ still show, because they are marked."""


def is_telemetry(request: http.Request) -> bool:
    """Whether the list hides a request that passes through, unless `show_all` is set."""
    return request.path.startswith("/api/")


# Claude Code writes the model first.
_MODEL = re.compile(rb'\s*\{\s*"model"\s*:\s*"([^"\\]{1,200})"')


class NothingYet:
    """The progress of a stream of pings."""

    usage = None
    output = 0
    complete = False
    error = ""


NOTHING_YET = NothingYet()


class Rows(contract.Observer):
    """Writes each flow's comment, and sets the list's columns and filter."""

    def __init__(
        self,
        report: Callable[[http.HTTPFlow, str], None] = lambda flow, line: None,
        is_kept: Callable[[], bool] = lambda: True,
        dollars: misses.Dollars = prices.LISTED,
    ) -> None:
        """`report` gets each flow that has ended, and its comment in full, but for the words of the prompt.
        `is_kept`: whether anything shows or saves flows, so that these words are worth finding."""
        self._report = report
        self._is_kept = is_kept
        self._dollars = dollars
        self._answers: weakref.WeakKeyDictionary[http.HTTPFlow, contract.Progress] = (
            weakref.WeakKeyDictionary()
        )
        """The progress of the flows that are being answered."""

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "show_all", bool, False, "Also list Claude Code's telemetry and settings."
        )

    def configure(self, updated: set[str]) -> None:
        if "show_all" in updated:
            shown = None if ctx.options.show_all else FILTER
            options.set_default("view_filter", shown, ours=(FILTER, None))
            options.set_default("web_columns", COLUMNS)

    # mitmproxy's hooks

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.is_replay:
            labels.forget(flow.metadata)
        if claude.is_ours(flow):
            write(flow, comments.waiting(""))
        else:
            write(flow, comments.passed(flow.request.method, flow.request.path))

    def request(self, flow: http.HTTPFlow) -> None:
        if claude.is_ours(flow):
            if self._is_kept():
                flow.metadata |= asked(flow).to_metadata()
            write(flow, comments.waiting(requested_model(flow)))

    def response(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._ended(flow)

    def _ended(self, flow: http.HTTPFlow) -> None:
        self._report(flow, ended(flow, self._answers.pop(flow, None), self._dollars))

    # What the exchange reports

    def began(self, request: contract.RoutedRequest) -> None:
        name_client(request)

    def rejected(self, rejected: contract.Rejected) -> None:
        name_client(rejected)

    def opened(self, request: contract.RoutedRequest) -> None:
        self._answers[request.flow] = NOTHING_YET

    def committed(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        progress: contract.Progress,
    ) -> None:
        request.flow.metadata |= labels.of_attempt(request, attempt).to_metadata()
        self._answers[request.flow] = progress

    def refused(self, request: contract.RoutedRequest, attempt: contract.Try | None) -> None:
        if attempt:
            request.flow.metadata |= labels.of_attempt(request, attempt).to_metadata()

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        if request.check == "proxy":  # mitmproxy never saw it
            self._ended(request.flow)
            failed_attempts.show(request.flow)

    # Called by `capture`

    def is_answering(self, flow: http.HTTPFlow) -> bool:
        """Whether the client gets a stream: an upstream's good answer, or pings until there is one."""
        return flow in self._answers

    def grown(self, flow: http.HTTPFlow) -> None:
        """More of the answer has arrived."""
        if (progress := self._answers.get(flow)) and progress.usage is not None:
            write(
                flow,
                comments.answered(
                    *who(flow), progress.usage, seconds(flow), output=progress.output
                ),
            )


def asked(flow: http.HTTPFlow) -> labels.Labels:
    """What the row of a request begins with."""
    request = flow.request
    is_readable = "content-encoding" not in request.headers
    return labels.Labels(
        agent=identity.read(request.headers.fields).agent or None,
        prompt=(
            prompts.read(request.raw_content or b"", live_secrets.hide_text) if is_readable else ""
        )
        or None,
    )


def name_client(request: contract.RoutedRequest | contract.Rejected) -> None:
    """Say whose request it is, also where nobody is asked to answer it."""
    if name := clients.own_name(request.client):
        request.flow.metadata[labels.CLIENT] = name


def write(flow: http.HTTPFlow, comment: str) -> None:
    if labels.CHECK in flow.metadata:
        comment = comments.check(comment)
    else:
        is_agent = labels.AGENT in flow.metadata
        comment = comments.asked(labels.prompt(flow.metadata), comment, is_agent=is_agent)
    if labels.COMPARES in flow.metadata:
        comment = comments.compared(comment)
    if flow.comment in ("", flow.metadata.get(labels.COMMENT)):
        flow.comment = comment
        flow.metadata[labels.COMMENT] = comment


def ended(
    flow: http.HTTPFlow,
    progress: contract.Progress | None,
    dollars: misses.Dollars = prices.LISTED,
) -> str:
    """The flow has ended, with or without success: writes its last comment, and returns it as a line for
    the log. `progress` is None unless an upstream answered it in this process."""
    if not claude.is_ours(flow):
        why = layout.one_line(flow.error.msg) if flow.error else ""
        comment = functools.partial(
            comments.passed, flow.request.method, flow.request.path, why=why
        )
        if why:
            write(flow, comment())
        return comment(width=comments.WHOLE)
    used = progress.usage if progress else _usage(flow)
    why = failure(flow, progress)
    cost = price(flow, used, dollars) if used and not why else None
    flow.metadata |= labels.Labels(
        state="failed" if why else "complete",
        tokens_in=used.prompt if used else None,
        tokens_cached=used.cache_read if used else None,
        tokens_out=used.output if used else None,
        cost=cost,
    ).to_metadata()
    if why:
        comment = functools.partial(comments.failed, *who(flow), why)
    elif used and is_count(flow):
        model, target, _ = who(flow)
        comment = functools.partial(comments.counted, model, target, used.prompt, seconds(flow))
    else:
        comment = functools.partial(comments.answered, *who(flow), used, seconds(flow), cost=cost)
    flow_labels = labels.read(flow.metadata)
    reason = flow_labels.passed_over or ""
    write(flow, comments.with_reason(comment(), reason))
    line = comments.with_reason(comment(width=comments.WHOLE), reason)
    return comments.check(line) if flow_labels.check else line


def price(flow: http.HTTPFlow, used: usage.Usage, dollars: misses.Dollars) -> float | None:
    """What an answer costs; counting tokens is free."""
    model, target, _ = who(flow)
    return None if is_count(flow) else dollars(target, model, used)


def is_count(flow: http.HTTPFlow) -> bool:
    return http_message.path(flow.request).endswith("/count_tokens")


def who(flow: http.HTTPFlow) -> tuple[str, str, int]:
    """The client's model, the target, and how many attempts it took."""
    flow_labels = labels.read(flow.metadata)
    return (
        flow_labels.model or requested_model(flow),
        flow_labels.target or "",
        flow_labels.attempts or 1,
    )


def requested_model(flow: http.HTTPFlow) -> str:
    """The model in a request's body, if it can be found without parsing all of it."""
    match = _MODEL.match((flow.request.raw_content or b"")[:1000])
    return match[1].decode("utf-8", "replace") if match else ""


def seconds(flow: http.HTTPFlow) -> float:
    ended = flow.response.timestamp_end if flow.response else None
    return max((ended or time.time()) - flow.request.timestamp_start, 0)


def failure(
    flow: http.HTTPFlow, progress: contract.Progress | None, *, in_full: bool = False
) -> str:
    """Why there is no complete answer; empty if there is one. `in_full`: also what an upstream's error says, beside its
    type."""
    response = flow.response
    if flow.error:
        return flow.error.msg
    if response is None:
        return "no answer"
    if response.status_code >= 400:
        fault = error_body.read(response.raw_content or b"")
        # In a list the type says enough of an upstream's error. Our own messages are short, so show them.
        is_upstreams = bool(labels.read(flow.metadata).target)
        status = str(response.status_code)
        # Hidden first: part of a secret, where the text is cut, looks like none.
        message = error_body.clean(live_secrets.hide_text(fault.message))
        # Web pages repeat the status in their titles.
        message = message.removeprefix(status).strip()
        if is_upstreams and fault.kind:
            message = f"{fault.kind}: {message}" if in_full and message else fault.kind
        return f"{status} {message}".strip()
    if progress and progress.error:
        return progress.error
    if progress and not progress.complete:
        return "interrupted"
    return ""


def _usage(flow: http.HTTPFlow) -> usage.Usage | None:
    """The usage of an answer of our own, or of a flow from a file."""
    response = flow.response
    if response is None or response.status_code >= 400:
        return None
    return messages_usage.of_body(response.raw_content or b"")
