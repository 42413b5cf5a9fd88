"""The log lines about requests: failed attempts and interrupted streams."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from claude_route.dialects import error_body
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.routing import lessons
from claude_route.text import quantities
from claude_route.watch.views import comments

logger = logging.getLogger(__name__)


class Log(contract.Observer):
    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        if attempt.dropped:
            dropped = ", ".join(attempt.dropped)
            logger.debug(f"{request.model}: not sent to {attempt.target}: {dropped}")

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        is_plain = attempt.failure.kind is failures.Kind.STATUS
        if is_plain and attempt.is_only and not attempt.effects:
            # The client gets this answer unchanged, and mitmproxy itself logs it.
            return
        then = attempt.then
        if isinstance(then, contract.Try) and not then.without:
            following = name(then)
        else:
            following = comments.following(then)
        arrow = f" → {following}" if following else ""
        logger.warning(f"{request.model}: {name(attempt.attempt)} {comments.why(attempt)}{arrow}")

    def learned(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        refused: Sequence[lessons.Lesson],
    ) -> None:
        names = ", ".join(lesson.name for lesson in refused)
        like = "" if any(lesson.settings is None for lesson in refused) else " like this one"
        hours = quantities.duration(lessons.LIFETIME)
        provider = attempt.target.partition("/")[0]
        logger.warning(
            f"{attempt.target} refuses {names}: requests{like} go without for {hours}. To leave it out "
            f"for good, add `drop: [{names}]` to providers.{provider} in the profile"
        )

    def interrupted(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        logger.warning(
            f"{request.model}: the stream from {name(attempt)} was interrupted: {error_body.clean(why)}"
        )


def name(attempt: contract.Try) -> str:
    """`anthropic (token 2 …wxyz)` or `zai/glm-5`."""
    if attempt.token:
        return f"{attempt.target.partition('/')[0]} ({attempt.token})"
    return attempt.target
