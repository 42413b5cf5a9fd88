"""The log lines about requests: one for each, and one for each failed attempt or interrupted stream."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http
from mitmproxy.utils import strutils

from claude_route import options
from claude_route import targets
from claude_route.access import clients
from claude_route.access import listeners
from claude_route.dialects import error_body
from claude_route.pages import table
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.routing import lessons
from claude_route.text import quantities
from claude_route.watch import labels
from claude_route.watch import rows
from claude_route.watch.views import claude
from claude_route.watch.views import comments

logger = logging.getLogger(__name__)

CONNECTIONS = "mitmproxy.proxy.server"
"""The logger that writes a line for each connection that opens or closes."""


class Log(contract.Observer):
    def __init__(self) -> None:
        self._unchecked: set[tuple[str, contract.Asker | None]] = set()
        """The targets about which that was logged, and how it was."""

    def load(self, loader: addonmanager.Loader) -> None:
        # mitmdump's two lines name the host that the client meant, and a streamed body as missing.
        options.set_default("flow_detail", 0)
        logging.getLogger(CONNECTIONS).addFilter(is_of_interest)

    def done(self) -> None:
        logging.getLogger(CONNECTIONS).removeFilter(is_of_interest)

    def ended(self, flow: http.HTTPFlow, line: str) -> None:
        """A flow has ended; `line` is its comment. In mitmweb and the console the list shows it."""
        if ctx.master.addons.get("dumper") is None or is_polled(flow):
            return
        has_failed = flow.error is not None and not CLIENT_GONE.search(flow.error.msg)
        if claude.is_ours(flow):
            if client := flow.metadata.get(labels.CLIENT):
                line = f"{client}: {line}"
            if flow.error is None:
                has_failed = labels.read(flow.metadata).state == "failed"
            level = logging.WARNING if has_failed else logging.INFO
        else:
            line += passed(flow)
            level = logging.WARNING if has_failed else logging.INFO
            if rows.is_telemetry(flow.request) and not ctx.options.show_all:
                level = logging.DEBUG
        line = strutils.escape_control_characters(line)
        logger.log(level, line, extra={"client": flow.client_conn.peername})

    # What the exchange reports

    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        if attempt.dropped:
            dropped = ", ".join(attempt.dropped)
            logger.debug(f"{request.model}: not sent to {attempt.target}: {dropped}")

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        is_plain = attempt.failure.kind is failures.Kind.STATUS
        quoted = comments.words(attempt)
        if is_plain and attempt.is_only and not attempt.effects and not quoted:
            # The client gets this answer unchanged, and the request's own line says so.
            return
        then = attempt.then
        if isinstance(then, contract.Try) and not then.without:
            following = name(then)
        else:
            following = comments.following(then)
        arrow = f" → {following}" if following else ""
        asked = name(attempt.attempt)
        who = asked if asked == request.model else f"{request.model}: {asked}"
        why = ", ".join(filter(None, (comments.why(attempt), quoted)))
        logger.warning(f"{by(request)}{who} {why}{arrow}")

    def learned(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        refused: Sequence[lessons.Lesson],
    ) -> None:
        names = ", ".join(lesson.name.replace("=", " over ") for lesson in refused)
        like = "" if any(lesson.settings is None for lesson in refused) else " like this one"
        hours = quantities.duration(lessons.LIFETIME)
        provider = attempt.target.partition("/")[0]
        limits = [lesson.name for lesson in refused if "=" in lesson.name]
        others = {targets.BARE_CALLS, *limits}
        dropped = ", ".join(lesson.name for lesson in refused if lesson.name not in others)
        lines = [f"`drop: [{dropped}]`"] if dropped else []
        lines += [f"`set: {{{limit.replace('=', ': ')}}}`" for limit in limits]
        if any(lesson.name == targets.BARE_CALLS for lesson in refused):
            lines.append("`reasoning: required`")
        logger.warning(
            f"{attempt.target} refuses {names}: requests{like} go without for {hours}. To leave it out "
            f"for good, add {' and '.join(lines)} to providers.{provider} in the profile"
        )

    def unchecked(
        self, request: contract.RoutedRequest, attempt: contract.Try, by: contract.Asker | None
    ) -> None:
        if (attempt.target, by) in self._unchecked:
            return
        self._unchecked.add((attempt.target, by))
        then = "so Claude Code blocks those that need a check"
        if by:
            then = (
                "so Claude Code asks a Claude model itself, or says that this proxy is in its way"
            )
        logger.warning(
            f"Auto mode: no model here may check the tool calls of {attempt.target} for this client, "
            f"{then}. The profile can name one: `safeguards: {{classifier: MODEL}}`"
        )

    def woke(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        logger.info(f"{attempt.token} is available again, before its limit was due to reset")

    def interrupted(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        logger.warning(
            f"{by(request)}{request.model}: the stream from {name(attempt)} was interrupted: {error_body.clean(why)}"
        )


CLIENT_GONE = re.compile(r"Client disconnected|stream reset by client")
"""mitmproxy's words for a client that has left: nothing has failed."""

OPENED_OR_CLOSED = re.compile(r"(client|server) (connect|disconnect)\b")


def is_of_interest(record: logging.LogRecord) -> bool:
    """Lines that only say that a connection was opened or closed are for `termlog_verbosity=debug`."""
    if record.levelno == logging.INFO and OPENED_OR_CLOSED.match(str(record.msg)):
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return True


def is_polled(flow: http.HTTPFlow) -> bool:
    """Whether a program has got one of our pages that programs ask for every few seconds."""
    page = table.find(flow.request) if listeners.is_reverse(flow.client_conn) else None
    is_good = flow.response is not None and flow.response.status_code == 200
    return page is not None and not page.is_listed and is_good


def passed(flow: http.HTTPFlow) -> str:
    """How a request that passed through ended: ` · 200 · 120 ms`."""
    status = f" · {flow.response.status_code}" if flow.response and not flow.error else ""
    return f"{status} · {quantities.seconds(rows.seconds(flow))}"


def by(request: contract.RoutedRequest) -> str:
    """`alice: `, if the profile names the client."""
    client = clients.own_name(request.client)
    return f"{client}: " if client else ""


def name(attempt: contract.Try) -> str:
    """`anthropic (token 2 …wxyz)` or `zai/glm-5`."""
    if attempt.token:
        return f"{attempt.target.partition('/')[0]} ({attempt.token})"
    return attempt.target
