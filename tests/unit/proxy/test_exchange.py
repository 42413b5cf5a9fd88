from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route import responses
from claude_route import targets
from claude_route.access import admissions
from claude_route.access import clients
from claude_route.access import identity
from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.dialects.messages import safeguards
from claude_route.profile import clients as profile_clients
from claude_route.profile import limits
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.proxy import attempt
from claude_route.proxy import checks
from claude_route.proxy import contract
from claude_route.proxy import exchange
from claude_route.proxy import held
from claude_route.proxy import state
from claude_route.proxy import work
from claude_route.routing import breaker
from claude_route.routing import budgets
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from claude_route.routing.failures import Kind
from tests.clocks import Clock
from tests.unit.flows import MESSAGE
from tests.unit.flows import STREAM

MODEL = "claude-opus-5-5"
CLAUDE = f"anthropic/{MODEL}"
GLM = "zai/glm-5"
POOL = ("sk-ant-oat01-pool-0000000001-pol1", "sk-ant-oat01-pool-0000000002-pol2")
TOKEN_1, TOKEN_2 = "token 1 …pol1", "token 2 …pol2"
EVENTS = {"content-type": "text/event-stream"}
OWN = b"sk-ant-api03-client-0000000000-cLnt"

FALLBACKS = {"claude-*": ["glm"], "chat": ["glm"], "narrow": ["wide"]}

ALICE = clients.Client("alice", "header")


class Observer(contract.Observer):
    """Records what is reported, as tuples that begin with the name of the event."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.failures: list[contract.FailedAttempt] = []
        self.request: contract.RoutedRequest

    def began(self, request: contract.RoutedRequest) -> None:
        assert request.client and request.client.name == "alice"
        self.request = request
        self.events.append(("began", request.model))

    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        assert request is self.request
        self.events.append(("tries", attempt.number, attempt.target, attempt.token))

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        self.failures.append(attempt)
        then = attempt.then
        self.events.append(
            (
                "failed",
                attempt.attempt.number,
                attempt.outcome.why,
                attempt.cause,
                then.target if isinstance(then, contract.Try) else then and then.status_code,
            )
        )

    def committed(
        self, request: contract.RoutedRequest, attempt: contract.Try, progress: contract.Progress
    ) -> None:
        self.events.append(("committed", attempt.number, attempt.target))

    def unchecked(
        self, request: contract.RoutedRequest, attempt: contract.Try, by: contract.Asker | None
    ) -> None:
        self.events.append(("unchecked", by))

    def woke(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        self.events.append(("woke", attempt.token))

    def refused(self, request: contract.RoutedRequest, attempt: contract.Try | None) -> None:
        self.events.append(("refused", attempt and attempt.number))

    def learned(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        refused: Sequence[lessons.Lesson],
    ) -> None:
        self.events.append(("learned", attempt.target, [lesson.name for lesson in refused]))

    def interrupted(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        self.events.append(("interrupted", attempt.number, why))

    def closed(
        self, request: contract.RoutedRequest, usage: usage.Usage | None, why: str | None
    ) -> None:
        self.events.append(("closed", usage, why))


class Setting:
    """One request and its surroundings."""

    def __init__(
        self,
        *,
        model: str = MODEL,
        path: str = "/v1/messages",
        pool: Sequence[str] = POOL,
        fallback: bool = True,
        rotates: bool = True,
        is_reverse: bool = True,
        headers: dict[str, str] | None = None,
        state_of: state.State | None = None,
        login: admissions.Login = "own",
        profile: dict[str, Any] | None = None,
        client: clients.Client = ALICE,
        **fields: Any,
    ) -> None:
        text = {
            "providers": {
                "anthropic": {"base_url": "http://127.0.0.1:1", "auth": "pool"},
                "zai": {
                    "base_url": "http://127.0.0.1:2",
                    "auth": "bearer",
                    "api_key": "zai-key-0123456789",
                    "models": {"narrow": {"context": 1000, "supports": {"images": False}}},
                },
                "chat": {
                    "base_url": "http://127.0.0.1:3",
                    "api": "openai",
                    "auth": "none",
                    "context": 100_000,
                },
                "keyless": {
                    "base_url": "http://127.0.0.1:4",
                    "auth": "bearer",
                    "api_key": "${KEY}",
                },
            },
            "models": {
                "glm": GLM,
                "chat": "chat/gpt",
                "keyless": "keyless/m",
                "claude-*": "anthropic/claude-*",
                "narrow": "zai/narrow",
                "wide": "chat/wide",
            },
            **({"fallbacks": FALLBACKS} if fallback else {}),
            **(profile or {}),
        }
        self.clock = Clock()
        self.state = state_of or state.State(
            profiles.parse(json.dumps(text), {}, "p.yaml"),
            rotation.Pool(pool, clock=self.clock),
            breaker.Breaker(self.clock),
            stats.Stats(self.clock),
            lessons.Lessons(self.clock),
        )
        self.observer = Observer()
        self.flow = tflow.tflow()
        body = {"model": model, "messages": [], "stream": True, **fields}
        self.flow.request = http.Request.make(
            "POST",
            f"https://api.anthropic.com{path}",
            json.dumps(body),
        )
        self.flow.request.headers.update({"x-api-key": "{{client}}", **(headers or {})})
        self.exchange = exchange.Exchange(
            self.state,
            self.flow,
            admissions.Admission(
                client=client,
                is_routed=True,
                is_reverse=is_reverse,
                rotates=rotates,
                secrets={b"{{client}}": OWN},
                origin=admissions.origin(self.flow.request),
                login=login,
            ),
            observer=self.observer,
            clock=self.clock,
        )

    def put_in_force(self, in_force: state.State) -> None:
        made = self.exchange
        made.state = made.candidates.state = made.learning.state = in_force

    @property
    def events(self) -> list[tuple[Any, ...]]:
        """The events since the last call."""
        events, self.observer.events = self.observer.events, []
        return events

    def nearly_skipped(self, target: str) -> None:
        """After one more outage it is skipped."""
        for _ in range(breaker.FAILURES - 1):
            self.state.breaker.failed(target, self.exchange.sender.party)


def head(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> http.Response:
    response = http.Response.make(status, body)
    response.headers.update(headers or {})
    return response


def refusal(status: int, kind: str = "", headers: dict[str, str] | None = None) -> contract.Failure:
    body = envelope.body(kind or envelope.kind(status), "No")
    return contract.Failure(Kind.STATUS, f"HTTP {status}", head(status, body, headers))


BUSY = contract.Failure(
    Kind.EVENT, "the first event is an error", head(200, envelope.body("overloaded_error", "Busy"))
)
DEAD = contract.Failure(Kind.CONNECT, "Connect call failed")
SILENT = contract.Failure(Kind.TIMEOUT, "silent for 120 s")
RESET = contract.Failure(Kind.RESET, "connection closed")
OURS = contract.Failure(Kind.LOCAL, "internal error in the proxy while reading the answer")


@pytest.mark.parametrize(
    ("failure", "fallback", "why", "cause", "then", "token", "is_outage"),
    [
        (
            refusal(429, headers={"retry-after": "7"}),
            True,
            "429",
            "credential",
            TOKEN_2,
            "resting",
            False,
        ),
        (refusal(402), True, "402", "credential", TOKEN_2, "resting", False),
        (refusal(401), True, "401", "credential", TOKEN_2, "disabled", False),
        (refusal(403, "permission_error"), True, "403", "credential", TOKEN_2, "available", False),
        (refusal(408), True, "408", "target", TOKEN_2, "available", False),
        (refusal(529), True, "529", "outage", TOKEN_2, "available", True),
        (BUSY, True, "first event overloaded_error", "outage", TOKEN_2, "available", True),
        (RESET, True, "connection closed", "outage", TOKEN_2, "available", True),
        (
            OURS,
            True,
            "internal error in the proxy while reading the answer",
            "target",
            TOKEN_2,
            "available",
            False,
        ),
        (DEAD, True, "Connect call failed", "outage", GLM, "available", True),
        (SILENT, True, "silent for 120 s", "outage", GLM, "available", True),
        (DEAD, False, "Connect call failed", "outage", TOKEN_2, "available", True),
        (refusal(400), True, "400", "request", 400, "available", False),
        (refusal(404), True, "404", "request", 404, "available", False),
        (refusal(413), True, "413", "request", 413, "available", False),
    ],
    ids=lambda value: value.kind if isinstance(value, contract.Failure) else None,
)
def test_what_comes_of_a_failed_attempt(
    failure: contract.Failure,
    fallback: bool,
    why: str,
    cause: str,
    then: str | int,
    token: str,
    is_outage: bool,
) -> None:
    """`then`: the token or the target that is tried next, or the status that the client gets."""
    setting = Setting(fallback=fallback)
    first = setting.exchange.begin()
    assert isinstance(first, attempt.Attempt)
    assert setting.events == [("began", MODEL), ("tries", 1, CLAUDE, TOKEN_1)]
    step = setting.exchange.failed(failure)
    if isinstance(then, int):
        assert isinstance(step, http.Response) and step.status_code == then
        assert step.headers["x-route-target"] == CLAUDE
        assert step.headers["x-route-attempts"] == "1"
        assert setting.events == [("failed", 1, why, cause, None), ("refused", 1)]
    else:
        assert isinstance(step, attempt.Attempt)
        target, label = (GLM, "") if then == GLM else (CLAUDE, then)
        assert setting.events == [
            ("failed", 1, why, cause, target),
            ("tries", 2, target, label),
        ]
    assert setting.state.pool.status()[0].state == token
    assert bool(setting.observer.failures[0].effects) is (token != "available")
    setting.nearly_skipped(CLAUDE)
    assert setting.state.breaker.is_open(CLAUDE) is is_outage
    assert "route_target" not in setting.flow.metadata, "the observers' business"


def test_a_failure_names_the_attempt_that_failed() -> None:
    setting = Setting()
    first = setting.exchange.begin()
    began = setting.clock.now
    setting.clock.now += 2
    setting.exchange.failed(refusal(429))
    (failed,) = setting.observer.failures
    assert isinstance(first, attempt.Attempt)
    assert failed.attempt.request is first.shown
    assert (failed.attempt.started, failed.at) == (began, began + 2)
    assert failed.attempt.token == TOKEN_1
    assert isinstance(failed.then, contract.Try) and failed.then.started == began + 2
    assert not failed.is_only


def test_all_have_failed() -> None:
    setting = Setting()
    setting.exchange.begin()
    setting.exchange.failed(refusal(429, headers={"retry-after": "9"}))
    setting.exchange.failed(DEAD)
    assert setting.events[-1] == ("tries", 3, GLM, "")
    answer = setting.exchange.failed(refusal(503))
    assert isinstance(answer, http.Response)
    assert answer.status_code == 503
    assert answer.headers["x-route-attempts"] == "3"
    assert setting.events == [("failed", 3, "503", "outage", None), ("refused", 3)]
    setting.exchange.closed(None)
    assert setting.events == [("closed", None, None)]


def test_a_fallback_that_refuses_the_request_hides_no_outage() -> None:
    setting = Setting(pool=())
    setting.exchange.begin()
    setting.exchange.failed(refusal(529, headers={"retry-after": "9"}))
    answer = setting.exchange.failed(refusal(400))
    assert isinstance(answer, http.Response)
    assert (answer.status_code, answer.headers["retry-after"]) == (529, "9")
    assert answer.headers["x-route-attempts"] == "2"


ABSENT = contract.Failure(Kind.ABSENT, "no connection to 127.0.0.1:1: no server is running there")


@pytest.mark.parametrize(("seconds", "retry"), [(None, "false"), (599.0, None), (600.0, "false")])
def test_a_server_that_may_be_restarting_is_waited_for(
    seconds: float | None, retry: str | None
) -> None:
    setting = Setting(model="glm")
    if seconds is not None:
        setting.state.breaker.succeeded(GLM)
        setting.clock.now += seconds
    setting.exchange.begin()
    answer = setting.exchange.failed(ABSENT)
    assert isinstance(answer, http.Response)
    assert (answer.status_code, answer.headers.get("x-should-retry")) == (502, retry)
    assert error_of(answer)["message"] == f"{GLM}: {ABSENT.detail}"


def test_nor_one_that_is_skipped_for_now() -> None:
    setting = Setting(pool=())
    setting.nearly_skipped(CLAUDE)
    setting.state.breaker.failed(CLAUDE, setting.exchange.sender.party)
    setting.exchange.begin()
    assert setting.events[-1] == ("tries", 1, GLM, "")
    answer = setting.exchange.failed(refusal(400))
    assert isinstance(answer, http.Response) and answer.status_code == 502
    assert b"skipped, because it keeps failing; zai/glm-5: 400" in (answer.content or b"")
    assert "x-should-retry" not in answer.headers


def test_a_skipped_model_changes_no_other_error() -> None:
    setting = Setting(pool=())
    setting.nearly_skipped(CLAUDE)
    setting.state.breaker.failed(CLAUDE, setting.exchange.sender.party)
    setting.exchange.begin()
    answer = setting.exchange.failed(refusal(503))
    assert isinstance(answer, http.Response) and answer.status_code == 503


def test_nor_does_one_that_cannot_be_asked() -> None:
    """Its dialect can't say the request, such as one with an unknown block in `system`."""
    setting = Setting(pool=(), system=7)
    setting.exchange.begin()
    answer = setting.exchange.failed(refusal(529))
    assert isinstance(answer, http.Response) and answer.status_code == 529
    assert setting.events[2:] == [("failed", 1, "529", "outage", None), ("refused", 1)]


@pytest.mark.parametrize("model", ["glm", "chat"])
@pytest.mark.parametrize(
    ("body", "detail", "message"),
    [
        (b"", "body: expected an answer, got nothing", "body: expected an answer, got nothing"),
        (
            b'{"code":1113,"msg":"No balance"}',
            "an error with status 200",
            "first event billing_error, No balance. At {}, nothing is left on the account of this "
            "proxy's key: whoever runs the proxy has to top it up, or wait",
        ),
        (
            b'{"error":{"type":"api_error"}}',
            "an error with status 200",
            "first event api_error, the provider gave no error message",
        ),
    ],
)
def test_only_who_gave_no_message_is_said_to_have_given_none(
    model: str, body: bytes, detail: str, message: str
) -> None:
    setting = Setting(model=model, fallback=False)
    setting.exchange.begin()
    answer = setting.exchange.failed(contract.Failure(Kind.EVENT, detail, head(200, body)))
    assert isinstance(answer, http.Response)
    error = json.loads(answer.content or b"")["error"]
    assert error["message"].partition(": ")[2] == message.format({"glm": "zai"}.get(model, model))


def test_a_key_that_a_provider_refuses_is_ours() -> None:
    setting = Setting(model="glm")
    setting.exchange.begin()
    answer = setting.exchange.failed(refusal(401))
    assert isinstance(answer, http.Response)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (424, "false")
    assert setting.observer.failures[0].cause == "target"
    assert setting.observer.failures[0].outcome.status == 401


def error_of(answer: object) -> dict[str, str]:
    assert isinstance(answer, http.Response)
    error: dict[str, str] = json.loads(answer.content or b"")["error"]
    return error


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
NO_IMAGES = head(400, b'{"error":{"message":"image input is not supported"}}')


def turn(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (turn([IMAGE]), "capability_rejected: image_block (image input is not supported)"),
        # The words may be of the conversation, which has no image.
        (turn("Hi"), "image input is not supported"),
    ],
)
@pytest.mark.parametrize("model", ["glm", "chat"])
def test_what_a_provider_refuses_is_said_in_the_clients_words(
    model: str, asked: dict[str, Any], message: str
) -> None:
    setting = Setting(model=model, **asked)
    setting.exchange.begin()
    answer = setting.exchange.failed(contract.Failure(Kind.STATUS, "HTTP 400", NO_IMAGES))
    assert error_of(answer) == {"type": "invalid_request_error", "message": message}


def test_what_a_model_lacks_goes_to_a_fallback_that_has_it() -> None:
    for asked in (turn([IMAGE]), turn("word " * 2000)):
        setting = Setting(model="narrow", **asked)
        assert isinstance(setting.exchange.begin(), attempt.Attempt)
        assert setting.events == [("began", "narrow"), ("tries", 1, "chat/wide", "")]


def test_a_conversation_that_a_provider_refuses_goes_where_there_is_room() -> None:
    too_long = {
        "message": "maximum context length is 1000 tokens, your messages resulted in 1200 tokens"
    }
    failure = contract.Failure(
        Kind.STATUS, "HTTP 400", head(400, json.dumps({"error": too_long}).encode())
    )
    setting = Setting(model="narrow", **turn("Hi"))
    setting.exchange.begin()
    assert isinstance(setting.exchange.failed(failure), attempt.Attempt)
    assert setting.exchange.current.target == "chat/wide"
    # Whatever comes of it there, the client can still compact the conversation.
    answer = setting.exchange.failed(contract.Failure(Kind.STATUS, "HTTP 503", head(503)))
    assert error_of(answer)["message"] == "prompt is too long: 1200 tokens > 1000 maximum"
    # Nobody is known to have more room.
    setting = Setting(model="glm", **turn("Hi"))
    setting.exchange.begin()
    assert error_of(setting.exchange.failed(failure))["message"].startswith("prompt is too long")


def test_what_no_model_takes_is_refused_without_asking() -> None:
    setting = Setting(model="narrow", fallback=False, **turn([IMAGE]))
    message = error_of(setting.exchange.begin())["message"]
    assert message.startswith("capability_rejected: image_block (zai/narrow ")
    assert setting.events == [("began", "narrow"), ("refused", None)]
    setting = Setting(model="narrow", **turn("word " * 200_000))
    message = error_of(setting.exchange.begin())["message"]
    assert message == "prompt is too long: 285724 tokens > 1000 maximum"


def test_tokens_are_counted_whatever_a_model_lacks() -> None:
    path = "/v1/messages/count_tokens"
    answer = Setting(model="narrow", path=path, **turn("word " * 2000)).exchange.begin()
    assert isinstance(answer, http.Response) and answer.status_code == 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("Prompt exceeds max length", "prompt is too long: 1001 tokens > 1000 maximum"),
        (
            "Your request exceeded model token limit: 900 (requested: 950)",
            "prompt is too long: 950 tokens > 900 maximum",
        ),
    ],
)
def test_the_profile_has_the_numbers_that_a_provider_lacks(words: str, message: str) -> None:
    setting = Setting(model="narrow", fallback=False, **turn("word " * 100))
    setting.exchange.begin()
    response = head(400, json.dumps({"error": {"message": words}}).encode())
    answer = setting.exchange.failed(contract.Failure(Kind.STATUS, "HTTP 400", response))
    assert error_of(answer)["message"] == message


def too_long(setting: Setting) -> str:
    body = json.dumps({"error": {"message": "Prompt exceeds max length"}}).encode()
    answer = setting.exchange.failed(contract.Failure(Kind.STATUS, "HTTP 400", head(400, body)))
    return str(error_of(answer)["message"])


def test_what_a_target_took_of_a_session_shows_what_it_takes() -> None:
    session = {"x-claude-code-session-id": "s"}
    before = Setting(model="glm", fallback=False, headers=session, **turn("word " * 800))
    before.exchange.begin()
    before.exchange.reply(head(200, headers={"content-type": "text/event-stream"}))
    before.exchange.committed(head(200))
    after = Setting(
        model="glm",
        fallback=False,
        headers=session,
        state_of=before.state,
        **turn("word " * 1000),
    )
    after.exchange.begin()
    tokens, limit = re.findall(r"(\d+) tokens > (\d+) maximum", too_long(after))[0]
    assert 0.7 < int(limit) / int(tokens) < 0.8
    other = Setting(
        model="glm",
        fallback=False,
        headers={"x-claude-code-session-id": "other"},
        state_of=before.state,
        **turn("word " * 1000),
    )
    other.exchange.begin()
    assert too_long(other) == "prompt is too long: Prompt exceeds max length"


@pytest.mark.parametrize(
    ("path", "stream", "wants"),
    [
        ("/v1/messages", True, True),
        ("/v1/messages", False, False),
        ("/v1/messages/count_tokens", True, False),
    ],
)
def test_who_wants_a_stream(path: str, stream: bool, wants: bool) -> None:
    setting = Setting(model="glm", path=path, stream=stream)
    assert setting.exchange.wants_stream is False
    setting.exchange.begin()
    assert setting.exchange.wants_stream is wants


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("claude-route/glm", GLM),
        ("claude-route/glm[1m]", GLM),
        ("claude-route/claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("claude-route/claude-opus-5-5[1m]", "anthropic/claude-opus-5-5"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_names_of_claude_codes_list(model: str, target: str, path: str) -> None:
    setting = Setting(model=model, path=path)
    step = setting.exchange.begin()
    if isinstance(step, attempt.Attempt):
        assert setting.events[-1][2] == target
        assert json.loads(step.shown.content or b"")["model"] == target.partition("/")[2]
    else:
        assert isinstance(step, http.Response)
        assert step.status_code == 200 and target == GLM


def test_a_name_of_claude_codes_list_that_the_profile_lacks() -> None:
    setting = Setting(model="claude-route/other[1m]", is_reverse=False)
    step = setting.exchange.begin()
    assert isinstance(step, attempt.Attempt)
    assert json.loads(step.shown.content or b"")["model"] == "other"


@pytest.mark.parametrize(
    ("status", "words", "final"),
    [
        (500, "insufficient balance (1008)", 424),
        (413, "on tokens per minute (TPM): Limit 8000, Requested 20449", 429),
    ],
)
def test_a_limit_of_the_account_is_no_outage(status: int, words: str, final: int) -> None:
    setting = Setting(model="glm")
    setting.nearly_skipped(GLM)
    setting.exchange.begin()
    response = head(status, json.dumps({"error": {"message": words}}).encode())
    answer = setting.exchange.failed(contract.Failure(Kind.STATUS, "", response))
    assert isinstance(answer, http.Response)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (final, "false")
    assert words in error_of(answer)["message"]
    assert setting.observer.failures[0].cause == "target"
    assert not setting.state.breaker.is_open(GLM)


def test_what_an_upstream_repeats_of_keys_is_taken_out() -> None:
    setting = Setting()
    setting.exchange.begin()
    body = envelope.body("api_error", f"bad key {POOL[0]}")
    failure = contract.Failure(Kind.STATUS, f"{POOL[0]} failed", head(500, body))
    setting.exchange.failed(failure)
    (failed,) = setting.observer.failures
    assert failed.failure.response and failed.failure.response.content
    assert POOL[0].encode() not in failed.failure.response.content
    assert POOL[0] not in failed.failure.detail


def test_all_tokens_rest() -> None:
    setting = Setting(fallback=False)
    for place in (1, 2):
        setting.state.pool.rest(place, 100.0 * place)
    first = setting.exchange.begin()
    assert isinstance(first, attempt.Attempt), "the one due soonest is asked"
    assert setting.events[-1] == ("tries", 1, CLAUDE, TOKEN_1)


def test_no_token_is_usable() -> None:
    setting = Setting(fallback=False)
    refused = envelope.body("authentication_error", "No")
    for token in setting.state.pool.tokens:
        setting.state.pool.learn(token, 401, {}, error_body.read(refused))
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response) and answer.status_code == 424
    assert "x-route-target" not in answer.headers
    assert setting.events == [("began", MODEL), ("refused", None)]


# Limits and agents


OF_ACCOUNT = {
    "anthropic-ratelimit-unified-status": "allowed",
    "anthropic-ratelimit-unified-5h-utilization": "0.4",
    "anthropic-organization-id": "org-of-the-pool",
    "request-id": "req_1",
}


@pytest.mark.parametrize(
    ("known", "is_shown"),
    [({}, False), ({"rotates": False}, True), ({"pool": ()}, True), ({"model": "glm"}, False)],
)
def test_limits_of_an_account_are_for_its_owner(known: dict[str, Any], is_shown: bool) -> None:
    setting = Setting(fallback=False, **known)
    setting.exchange.begin()
    response = head(200, headers={**EVENTS, **OF_ACCOUNT})
    setting.exchange.reply(response)
    setting.exchange.committed(response)
    shown = OF_ACCOUNT if is_shown else {"request-id": "req_1"}
    assert OF_ACCOUNT.keys() & set(response.headers) == shown.keys()
    if not known:
        assert setting.state.pool.status()[0].five_hour == 0.4, "the pool has learnt it before"


@pytest.mark.parametrize(("rotates", "is_shown"), [(True, False), (False, True)])
def test_nor_are_they_in_errors(rotates: bool, is_shown: bool) -> None:
    """Of which Anthropic's own pass unchanged otherwise."""
    setting = Setting(fallback=False, rotates=rotates)
    setting.exchange.begin()
    failure = refusal(400, headers=OF_ACCOUNT)
    answer = setting.exchange.failed(failure)
    assert isinstance(answer, http.Response)
    assert ("anthropic-organization-id" in answer.headers) is is_shown
    assert failure.response
    assert "anthropic-organization-id" in failure.response.headers, "people may see it in mitmweb"


def test_fast_mode_rests_no_token_and_asks_no_fallback() -> None:
    setting = Setting(speed="fast")
    setting.exchange.begin()
    failure = refusal(429, "rate_limit_error", {"retry-after": "3000"})
    answer = setting.exchange.failed(failure)
    assert isinstance(answer, http.Response)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3000")
    assert [row.state for row in setting.state.pool.status()] == ["available", "available"]


AGENT = {
    "x-claude-code-session-id": "s-1",
    "x-claude-code-agent-id": "a-1",
    "x-claude-code-parent-agent-id": "a-0",
    "x-client-request-id": "r-1",
    "traceparent": "00-aa-bb-01",
}


def test_observers_learn_which_agent_asks() -> None:
    setting = Setting(headers=AGENT)
    setting.exchange.begin()
    who = setting.observer.request.identity
    assert who == identity.Identity("s-1", "a-1", "a-0", "r-1", "00-aa-bb-01")
    assert setting.observer.request.session == "s-1"


def test_agents_ids_are_anthropics_alone() -> None:
    for model, is_sent in ((MODEL, True), ("glm", False), ("chat", False)):
        setting = Setting(model=model, headers=AGENT)
        setting.exchange.begin()
        sent = set(setting.exchange.attempt.shown.headers)
        assert (AGENT.keys() <= sent) is is_sent
        assert bool(AGENT.keys() & sent) is is_sent


@pytest.mark.parametrize(
    ("spread", "tokens"),
    [
        ("session", [TOKEN_1, TOKEN_1, TOKEN_1, TOKEN_1]),
        ("agent", [TOKEN_1, TOKEN_2, TOKEN_1, TOKEN_2]),
    ],
)
def test_what_keeps_one_token(spread: targets.Spread, tokens: list[str]) -> None:
    state_of = None
    taken = []
    for agent in ("", "a-1", "a-2", "a-1"):
        ids = {"x-claude-code-session-id": "s-1", "x-claude-code-agent-id": agent}
        setting = Setting(headers=ids, state_of=state_of)
        profile = setting.state.profile
        pool = dataclasses.replace(profile.pool, spread=spread)
        state_of = dataclasses.replace(
            setting.state, profile=dataclasses.replace(profile, pool=pool)
        )
        setting.put_in_force(state_of)
        setting.exchange.begin()
        taken.append(setting.events[-1][3])
    assert taken == tokens


# Answers


def answered(setting: Setting) -> contract.Reply:
    setting.exchange.begin()
    reply = setting.exchange.reply(head(200, headers=EVENTS))
    assert not reply.good
    return reply


def test_an_answer_is_counted_whoever_looks_at_it() -> None:
    setting = Setting()
    setting.nearly_skipped(CLAUDE)
    reply = answered(setting)
    assert reply.feed(STREAM) == STREAM and reply.good
    response = reply.response
    setting.exchange.committed(response)
    assert response.headers["x-route-target"] == CLAUDE
    assert response.headers["x-route-attempts"] == "1"
    setting.nearly_skipped(CLAUDE)
    assert not setting.state.breaker.is_open(CLAUDE), "success has reset it"
    setting.exchange.closed(None)
    used = usage.Usage(input=7, output=42, cache_read=100)
    assert setting.events[2:] == [("committed", 1, CLAUDE), ("closed", used, None)]


def test_an_answer_that_breaks_off() -> None:
    setting = Setting()
    reply = answered(setting)
    reply.feed(STREAM[:700])
    setting.exchange.committed(reply.response)
    setting.exchange.interrupted("gone")
    reply.broken("gone")
    setting.exchange.closed("gone")
    used = usage.Usage(input=7, output=1, cache_read=100)
    assert setting.events[2:] == [
        ("committed", 1, CLAUDE),
        ("interrupted", 1, "gone"),
        ("closed", used, "gone"),
    ]


def test_nothing_is_counted_of_an_answer_that_the_client_never_got() -> None:
    setting = Setting(fallback=False, pool=POOL[:1])
    reply = answered(setting)
    reply.feed(STREAM[:300])
    setting.exchange.failed(RESET)
    setting.exchange.closed(None)
    assert setting.events[-1] == ("closed", None, None)


def test_the_pool_learns_from_good_answers() -> None:
    setting = Setting()
    setting.exchange.begin()
    utilisation = {"anthropic-ratelimit-unified-5h-utilization": "0.25"}
    setting.exchange.reply(head(200, headers={**EVENTS, **utilisation}))
    row = setting.state.pool.status()[0]
    assert (row.requests, row.five_hour) == (1, 0.25)


def test_and_from_a_failure_once() -> None:
    setting = Setting()
    setting.exchange.begin()
    setting.exchange.reply(refusal(429).response or head(429))
    assert setting.state.pool.status()[0].requests == 0
    setting.exchange.failed(refusal(429))
    assert setting.state.pool.status()[0].requests == 1


# Requests that take no attempt


@pytest.mark.parametrize(
    ("model", "changes", "status", "message"),
    [
        ("gpt-9", {}, 404, "'gpt-9' is not in this proxy's profile, which has: glm, chat"),
        ("a\nb", {}, 400, "printable"),
        ("glm" * 1000, {}, 400, "expected a name of at most 1000 characters"),
        ("keyless", {}, 400, "environment variable KEY is set"),
    ],
)
def test_a_request_that_is_wrong_never_begins(
    model: str, changes: dict[str, Any], status: int, message: str
) -> None:
    setting = Setting(model=model, **changes)
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response)
    assert answer.status_code == status
    assert message in json.loads(answer.content or b"")["error"]["message"]
    setting.exchange.closed(None)
    assert setting.events == []


def test_a_body_that_is_not_in_its_encoding_is_refused() -> None:
    setting = Setting()
    setting.flow.request.headers["content-encoding"] = "gzip"
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response) and answer.status_code == 400
    assert setting.events == []


def test_a_body_that_bursts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MAX_BODY", 10)
    setting = Setting()
    setting.flow.request.encode("gzip")
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response) and answer.status_code == 413
    assert setting.events == []


def test_a_model_that_nobody_knows_is_for_anthropic_to_judge() -> None:
    setting = Setting(model="gpt-9", is_reverse=False)
    assert isinstance(setting.exchange.begin(), attempt.Attempt)
    assert setting.events[-1] == ("tries", 1, "anthropic/gpt-9", "")


def test_the_clients_own_credential_goes_on() -> None:
    setting = Setting(rotates=False)
    first = setting.exchange.begin()
    assert isinstance(first, attempt.Attempt)
    assert first.request(("127.0.0.1", 1)).headers["x-api-key"].encode() == OWN
    assert setting.events[-1] == ("tries", 1, CLAUDE, "")
    answer = setting.exchange.failed(refusal(401))
    assert isinstance(answer, http.Response) and answer.status_code == 401


def error_code(response: http.Response | attempt.Attempt | contract.Attempt | None) -> str:
    assert isinstance(response, http.Response)
    code = json.loads(response.content or b"")["error"]["details"]["error_code"]
    assert isinstance(code, str)
    return code


@pytest.mark.parametrize(("model", "is_refused"), [("glm", True), (MODEL, False)])
def test_only_anthropic_keeps_threads(model: str, is_refused: bool) -> None:
    setting = Setting(model=model, thread={"type": "continue"})
    step = setting.exchange.begin()
    assert isinstance(step, http.Response) is is_refused
    if isinstance(step, http.Response):
        assert step.status_code == 400
        assert error_code(step) == "thread_unsupported_request"
        assert setting.events == [("began", model), ("refused", None)]


def test_a_fallback_without_the_thread_is_answered_here() -> None:
    setting = Setting(thread={"type": "continue"})
    setting.exchange.begin()
    answer = setting.exchange.failed(DEAD)
    assert isinstance(answer, http.Response) and answer.status_code == 404
    assert setting.events[2:] == [
        ("failed", 1, "Connect call failed", "outage", 404),
        ("refused", None),
    ]


def begun_thread(kind: str = "create", **more: Any) -> Setting:
    """Answered by the first token as `msg_1`."""
    setting = Setting(thread={"type": kind}, **more)
    answered(setting).feed(STREAM)
    setting.exchange.committed(setting.exchange.progress.response)
    setting.exchange.closed(None)
    return setting


def continued(first: Setting, message_id: str = "msg_1", **more: Any) -> Setting:
    thread = {"type": "continue", "previous_message_id": message_id}
    return Setting(thread=thread, state_of=first.state, **more)


def test_a_thread_goes_to_the_token_that_began_it() -> None:
    first = begun_thread()
    for _ in range(3):
        setting = continued(first)
        assert isinstance(setting.exchange.begin(), attempt.Attempt)
        assert setting.events[-1] == ("tries", 1, CLAUDE, TOKEN_1)


def test_a_whole_answer_continues_a_thread_too() -> None:
    first = Setting(thread={"type": "create"}, stream=False)
    assert isinstance(first.exchange.begin(), attempt.Attempt)
    reply = first.exchange.reply(head(200, headers={"content-type": "application/json"}))
    reply.feed(json.dumps({**MESSAGE, "type": "message", "stop_reason": "end_turn"}).encode())
    reply.end()
    first.exchange.committed(reply.response)
    assert isinstance(continued(first).exchange.begin(), attempt.Attempt)


def test_an_answer_without_a_thread_begins_none() -> None:
    first = Setting()
    answered(first).feed(STREAM)
    first.exchange.committed(first.exchange.progress.response)
    assert error_code(continued(first).exchange.begin()) == "thread_not_found"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda first: first.state.pool.rest(1, 60), id="its token rests"),
        pytest.param(
            lambda first: setattr(first.clock, "now", first.clock.now + 300), id="too old"
        ),
    ],
)
def test_a_thread_that_its_token_can_not_continue_starts_over(
    change: Callable[[Setting], object],
) -> None:
    first = begun_thread()
    change(first)
    setting = continued(first)
    setting.exchange.clock = first.clock
    assert error_code(setting.exchange.begin()) == "thread_not_found"
    assert setting.events == [("began", MODEL), ("refused", None)]


@pytest.mark.parametrize("more", [{"rotates": False}, {"model": "claude-sonnet-5-5"}])
def test_a_thread_is_for_one_account(more: dict[str, Any]) -> None:
    setting = continued(begun_thread(), **more)
    step = setting.exchange.begin()
    assert isinstance(step, attempt.Attempt) is ("model" in more)


def test_an_unknown_thread_of_a_pool_starts_over_at_once() -> None:
    setting = continued(Setting(), "msg_9")
    assert error_code(setting.exchange.begin()) == "thread_not_found"


def test_an_unknown_thread_of_the_clients_own_is_for_anthropic_to_judge() -> None:
    setting = continued(Setting(), "msg_9", rotates=False)
    assert isinstance(setting.exchange.begin(), attempt.Attempt)


@pytest.mark.parametrize("fallback", [True, False])
@pytest.mark.parametrize("failure", [BUSY, DEAD, refusal(429)])
def test_a_thread_whose_token_fails_starts_over_elsewhere(
    failure: contract.Failure, fallback: bool
) -> None:
    setting = continued(begun_thread(fallback=fallback), fallback=fallback)
    setting.exchange.begin()
    assert error_code(setting.exchange.failed(failure)) == "thread_not_found"


def test_a_thread_whose_token_fails_gets_the_failure_if_nothing_else_is_left() -> None:
    pool = POOL[:1]
    setting = continued(begun_thread(pool=pool, fallback=False), pool=pool, fallback=False)
    setting.exchange.begin()
    answer = setting.exchange.failed(BUSY)
    assert isinstance(answer, http.Response) and answer.status_code == 529


@pytest.mark.parametrize("asked", ["claude-fable-5-2", "claude-fable-5-1"])
def test_thinking_that_is_bound_to_its_model_is_not_for_a_fallback(asked: str) -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "ab" * 60}
    answer = {"role": "assistant", "content": [thinking, {"type": "text", "text": "hi"}]}
    setting = Setting(
        model=asked,
        pool=(),
        profile={"fallbacks": {"claude-*": [MODEL]}},
        messages=[{"role": "user", "content": "a"}, answer, {"role": "user", "content": "b"}],
        speed="fast",
    )
    first = setting.exchange.begin()
    assert isinstance(first, attempt.Attempt)
    assert b'"thinking"' in first.call.body and b'"speed"' in first.call.body
    second = setting.exchange.failed(BUSY)
    assert isinstance(second, attempt.Attempt)
    assert (b'"thinking"' in second.call.body) is (asked == "claude-fable-5-1")
    assert b'"speed"' not in second.call.body


SEARCH = [{"type": "web_search_20250305", "name": "web_search"}]
NAMED = {"server_tools": "claude-sonnet-5-5"}


@pytest.mark.parametrize(
    ("model", "profile", "tries"),
    [
        pytest.param(MODEL, {}, CLAUDE, id="Claude has them"),
        pytest.param(MODEL, NAMED, CLAUDE, id="Claude needs no other"),
        pytest.param("glm", {}, None, id="Messages"),
        pytest.param("chat", {}, None, id="Chat Completions"),
        pytest.param("glm", NAMED, "anthropic/claude-sonnet-5-5", id="a model named for it"),
        pytest.param("chat", NAMED, "anthropic/claude-sonnet-5-5", id="for any dialect"),
        pytest.param("glm", {"server_tools": {"web_fetch": MODEL}}, None, id="for another tool"),
        pytest.param("glm", {"fallbacks": {"glm": [MODEL]}}, CLAUDE, id="a fallback has them"),
    ],
)
def test_a_search_goes_to_who_can_search(
    model: str, profile: dict[str, Any], tries: str | None
) -> None:
    setting = Setting(model=model, profile=profile, tools=SEARCH)
    step = setting.exchange.begin()
    if tries is None:
        assert error_code(step) == "policy_blocked"
        assert setting.events == [("began", model), ("refused", None)]
    else:
        assert setting.events == [("began", model), ("tries", 1, tries, TOKEN_1)]


def test_a_search_is_made_up_by_no_fallback() -> None:
    setting = Setting(tools=SEARCH, pool=())
    setting.exchange.begin()
    answer = setting.exchange.failed(BUSY)
    assert isinstance(answer, http.Response) and answer.status_code == 529


def test_a_search_falls_back_to_the_model_named_for_it() -> None:
    setting = Setting(tools=SEARCH, pool=(), profile=NAMED)
    setting.exchange.begin()
    setting.exchange.failed(BUSY)
    assert setting.events[-1] == ("tries", 2, "anthropic/claude-sonnet-5-5", "")


def test_a_request_with_other_tools_can_do_without_a_search() -> None:
    tools = [*SEARCH, {"name": "Bash", "input_schema": {"type": "object"}}]
    setting = Setting(model="glm", profile=NAMED, tools=tools)
    step = setting.exchange.begin()
    assert isinstance(step, attempt.Attempt)
    assert step.call.body.count(b"web_search") == 0
    assert setting.events[-1] == ("tries", 1, GLM, "")


def test_the_tokens_of_a_search_are_counted_by_the_model_itself() -> None:
    setting = Setting(model="glm", path="/v1/messages/count_tokens", tools=SEARCH)
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response) and answer.status_code == 200


def test_tokens_are_estimated_where_nobody_counts_them() -> None:
    setting = Setting(model="chat", path="/v1/messages/count_tokens")
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response) and answer.status_code == 200
    assert set(json.loads(answer.content or b"")) == {"input_tokens"}
    setting.exchange.closed(None)
    assert setting.events == [("began", "chat"), ("closed", None, None)]
    assert setting.observer.request.counts_tokens


@pytest.mark.parametrize(
    ("headers", "fields", "session"),
    [
        ({}, {}, ""),
        ({"x-claude-code-session-id": "a"}, {}, "a"),
    ],
)
def test_session(headers: dict[str, str], fields: dict[str, Any], session: str) -> None:
    setting = Setting(headers=headers, **fields)
    setting.exchange.begin()
    assert setting.observer.request.session == session
    assert setting.observer.request.flow is setting.flow


async def test_a_session_of_the_same_name_has_a_token_of_its_own() -> None:
    seats = []
    for client, session in ((ALICE, "a"), (limited(), "a"), (ALICE, "alice/a")):
        setting = Setting(headers={"x-claude-code-session-id": session}, client=client)
        if setting.exchange.begin() is None:
            await setting.exchange.admitted()
        seats.append(rotation.parsed(setting.exchange.plan.session or ""))
        assert setting.observer.request.session == session
    assert seats == [("", "a"), ("alice", "a"), ("", "alice/a")]


EFFORT: dict[str, Any] = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


def refuses(name: str, status: int = 400, words: str = "is not supported") -> contract.Failure:
    body = json.dumps({"error": {"message": f"`{name}` {words}"}}).encode()
    return contract.Failure(Kind.STATUS, f"HTTP {status}", head(status, body))


def body_of(step: contract.Attempt | http.Response | None) -> dict[str, Any]:
    assert isinstance(step, attempt.Attempt)
    body: dict[str, Any] = json.loads(step.shown.content or b"")
    return body


def commit(setting: Setting) -> None:
    response = head(200, headers=EVENTS)
    setting.exchange.reply(response)
    setting.exchange.committed(response)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "target", "place"),
    [("chat", "chat/gpt", "reasoning_effort"), ("glm", GLM, "output_config")],
)
@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refused_parameter_is_left_out_at_once_and_from_then_on(
    model: str, target: str, place: str, stream: bool, status: int
) -> None:
    setting = Setting(model=model, stream=stream, **EFFORT)
    assert place in body_of(setting.exchange.begin())
    assert place not in body_of(setting.exchange.failed(refuses("reasoning_effort", status)))
    name = {"output_config": "output_config.effort"}.get(place, place)
    assert setting.observer.failures[0].then == setting.exchange.current
    assert setting.exchange.current.without == name
    commit(setting)
    assert setting.events == [
        ("began", model),
        ("tries", 1, target, ""),
        ("failed", 1, "400", "request", target),
        ("tries", 2, target, ""),
        ("committed", 2, target),
        ("learned", target, [name]),
    ]
    later = Setting(model=model, state_of=setting.state, temperature=1, **EFFORT)
    assert place not in body_of(later.exchange.begin())
    assert not later.exchange.current.without


def test_nothing_is_learned_unless_the_repeat_is_good() -> None:
    setting = Setting(model="chat", **EFFORT)
    setting.exchange.begin()
    setting.exchange.failed(refuses("reasoning_effort"))
    step = setting.exchange.failed(refusal(400))
    assert isinstance(step, http.Response)
    assert step.status_code == 400
    assert step.headers["x-route-attempts"] == "2"
    assert "reasoning_effort" in body_of(
        Setting(model="chat", state_of=setting.state, **EFFORT).exchange.begin()
    )


def test_one_clients_odd_value_is_its_own() -> None:
    odd = {**EFFORT, "output_config": {"effort": "odd"}}
    setting = Setting(model="chat", **odd)
    setting.exchange.begin()
    setting.exchange.failed(refuses("reasoning_effort", words="must be one of `low` or `high`"))
    commit(setting)
    usual = Setting(model="chat", state_of=setting.state, **EFFORT)
    assert "reasoning_effort" in body_of(usual.exchange.begin())
    again = Setting(model="chat", state_of=setting.state, **odd)
    assert "reasoning_effort" not in body_of(again.exchange.begin())


@pytest.mark.parametrize(
    "failure",
    [
        refuses("temperature"),
        refuses("messages"),
        refuses("reasoning_effort", 500),
        refuses("reasoning_effort", 401),
        refuses("reasoning_effort", 413),
        contract.Failure(Kind.RESET, "`reasoning_effort` is not supported"),
    ],
)
def test_what_is_not_repeated(failure: contract.Failure) -> None:
    setting = Setting(model="chat", fallback=False, **EFFORT)
    setting.exchange.begin()
    assert isinstance(setting.exchange.failed(failure), http.Response)


def test_anthropics_refusals_are_the_clients_to_handle() -> None:
    setting = Setting(fallback=False, **EFFORT)
    setting.exchange.begin()
    step = setting.exchange.failed(refuses("effort"))
    assert isinstance(step, http.Response)


def test_repeats_are_few_and_use_up_no_attempts() -> None:
    fields: dict[str, Any] = {
        "temperature": 1,
        "top_p": 1,
        "top_k": 1,
        "metadata": {"user_id": "u"},
    }
    setting = Setting(model="claude-x", pool=(), **fields)
    setting.exchange.begin()
    setting.exchange.failed(DEAD)
    for name in ("temperature", "top_p", "top_k"):
        assert isinstance(setting.exchange.failed(refuses(name)), attempt.Attempt)
    assert setting.exchange.current.number == 5
    assert isinstance(setting.exchange.failed(refuses("user")), http.Response)


def test_a_fallback_begins_with_the_whole_request() -> None:
    setting = Setting(model="chat", fallback=True, **EFFORT)
    setting.exchange.begin()
    setting.exchange.failed(refuses("reasoning_effort"))
    step = setting.exchange.failed(refusal(503))
    assert isinstance(step, attempt.Attempt)
    assert setting.exchange.current.target == GLM
    assert not setting.exchange.current.without
    assert "output_config" in body_of(step)
    commit(setting)
    assert "learned" not in [event[0] for event in setting.events]


def test_a_refusal_in_the_first_event() -> None:
    error = {"message": "`reasoning_effort` is not supported", "code": 400}
    event = head(200, json.dumps({"error": error}).encode())
    setting = Setting(model="chat", **EFFORT)
    setting.exchange.begin()
    step = setting.exchange.failed(contract.Failure(Kind.EVENT, "an error", event))
    assert "reasoning_effort" not in body_of(step)


def test_a_pattern_that_a_grammar_cannot_express() -> None:
    day = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    schema = {"type": "object", "properties": {"day": day}}
    tools = [{"name": "Note", "description": "", "input_schema": schema}]
    message = "Failed to initialize samplers: failed to parse grammar"
    error = {"code": 400, "message": message, "type": "invalid_request_error"}
    failure = contract.Failure(
        Kind.STATUS, "HTTP 400", head(400, json.dumps({"error": error}).encode())
    )
    for model in ("chat", "glm"):
        setting = Setting(model=model, tools=tools)
        assert "pattern" in json.dumps(body_of(setting.exchange.begin()))
        assert "pattern" not in json.dumps(body_of(setting.exchange.failed(failure)))
        assert setting.exchange.current.without == "schemas.pattern"


OUT_OF_USAGE = contract.Failure(
    Kind.STATUS,
    "HTTP 400",
    head(400, envelope.body("invalid_request_error", "You're out of extra usage. Add more.")),
)


def test_an_account_that_has_nothing_left_is_not_the_requests_fault() -> None:
    setting = Setting()
    setting.exchange.begin()
    assert isinstance(setting.exchange.failed(OUT_OF_USAGE), attempt.Attempt)
    assert setting.events[-1] == ("tries", 2, CLAUDE, TOKEN_2)
    assert [row.state for row in setting.state.pool.status()] == ["resting", "available"]
    assert isinstance(setting.exchange.failed(OUT_OF_USAGE), attempt.Attempt)
    assert setting.events[-1] == ("tries", 3, GLM, "")


def test_many_tokens_that_fail_for_one_request_are_one_failure_of_the_target() -> None:
    setting = Setting(pool=(*POOL, "sk-ant-oat01-pool-0000000003-pol3"))
    setting.exchange.begin()
    for failure in (refusal(429), refusal(529), BUSY):
        setting.exchange.failed(failure)
    assert setting.events[-1] == ("tries", 4, GLM, "")
    setting.exchange.failed(refusal(529))
    for target in (CLAUDE, GLM):
        for _ in range(breaker.FAILURES - 2):
            setting.state.breaker.failed(target)
        assert not setting.state.breaker.is_open(target)
        setting.state.breaker.failed(target)
        assert setting.state.breaker.is_open(target)


def committed(setting: Setting) -> None:
    first = setting.exchange.begin()
    assert isinstance(first, attempt.Attempt)
    response = head(200, headers=EVENTS)
    setting.exchange.reply(response)
    setting.exchange.committed(response)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_an_answer_in_a_tokens_rest_ends_it(path: str) -> None:
    setting = Setting(path=path, fallback=False)
    for token in setting.state.pool.tokens:
        setting.state.pool.learn(token, 429, {"retry-after": "90000"}, model=MODEL)
    setting.clock.now += 2
    committed(setting)
    counts = path.endswith("count_tokens")
    assert (("woke", TOKEN_1) in setting.events) is not counts
    assert setting.state.pool.status()[0].state == ("resting" if counts else "available")
    assert setting.state.pool.status()[1].state == "resting"


def test_an_answer_of_a_token_that_does_not_rest_wakes_nothing() -> None:
    setting = Setting()
    committed(setting)
    assert "woke" not in [event[0] for event in setting.events]


@pytest.mark.parametrize("status", [307, 403])
def test_a_page_of_something_on_the_way_is_asked_for_with_one_token(status: int) -> None:
    setting = Setting()
    setting.exchange.begin()
    page = head(status, b"<title>Just a moment...</title>", {"content-type": "text/html"})
    setting.exchange.failed(contract.Failure(Kind.STATUS, f"HTTP {status}", page))
    assert setting.events[-1] == ("tries", 2, GLM, "")


def test_a_model_that_a_litellm_config_has_but_nobody_answers() -> None:
    setting = Setting(model="embedding")
    left_out = patterns.Table({"embedding": "azure/", "claude-*": "elsewhere"})
    profile = dataclasses.replace(setting.state.profile, left_out=left_out)
    setting.put_in_force(dataclasses.replace(setting.state, profile=profile))
    answer = setting.exchange.begin()
    assert isinstance(answer, http.Response)
    assert answer.status_code == 400
    why = answer.json()["error"]["message"]
    assert why == "model: 'embedding' was left out of the LiteLLM config: azure/"
    setting = Setting()
    setting.put_in_force(dataclasses.replace(setting.state, profile=profile))
    assert isinstance(setting.exchange.begin(), attempt.Attempt), "another pattern has it"


@pytest.mark.parametrize(
    ("pool", "fallback", "rotates", "login", "expected"),
    [
        ((), True, True, "none", GLM),
        ((), True, True, "text", GLM),
        ((), True, True, "own", CLAUDE),
        ((), False, True, "text", CLAUDE),
        ((), False, True, "none", "the proxy has no tokens"),
        (POOL, True, True, "none", CLAUDE),
        (POOL, True, False, "none", GLM),
        (POOL, False, False, "none", "the token mode is passthrough"),
        (POOL, True, False, "own", CLAUDE),
    ],
)
def test_a_client_without_a_login_is_nobody_to_send_to_anthropic(
    pool: Sequence[str], fallback: bool, rotates: bool, login: admissions.Login, expected: str
) -> None:
    setting = Setting(pool=pool, fallback=fallback, rotates=rotates, login=login)
    answer = setting.exchange.begin()
    if "/" in expected:
        assert setting.events[-1][:3] == ("tries", 1, expected)
        return
    check_no_login(answer, expected)
    assert not setting.events


def check_no_login(answer: object, why: str) -> None:
    assert isinstance(answer, http.Response)
    assert answer.status_code == 401
    assert answer.headers["x-should-retry"] == "false"
    error = answer.json()["error"]
    assert error["type"] == "authentication_error"
    assert why in error["message"]


def test_an_unknown_model_at_the_forward_listener_needs_a_login() -> None:
    setting = Setting(model="gpt-9", is_reverse=False, login="none")
    check_no_login(setting.exchange.begin(), "anthropic/gpt-9 is asked with the login")


def test_text_is_no_login_at_anthropics_own_host() -> None:
    setting = Setting(pool=(), fallback=False, login="text")
    profile = setting.state.profile
    anthropic = dataclasses.replace(profile.providers["anthropic"], host="api.anthropic.com")
    target = targets.Target(anthropic, MODEL)
    profile = dataclasses.replace(profile, models=patterns.Table({"claude-*": target}))
    setting.put_in_force(dataclasses.replace(setting.state, profile=profile))
    check_no_login(setting.exchange.begin(), "the proxy has no tokens")


# Checks of tool calls

SAFEGUARDS = [{"type": "dangerous_tool_use", "classifier_context": {"v": 1}}]
LS = safeguards.Call("toolu_1", "Bash", {"command": "ls"})


def checked(**arguments: Any) -> Setting:
    """A request that is answered by another provider, and wants the answer's calls checked."""
    setting = Setting(**{"model": "glm", "safeguards": SAFEGUARDS, **arguments})
    setting.exchange.begin()
    return setting


def made(setting: Setting, *calls: safeguards.Call) -> list[contract.Check]:
    asked = setting.exchange.checks(calls)
    assert asked is not None
    return asked


def test_each_call_is_a_request_to_the_model_that_checks() -> None:
    setting = checked(headers={"x-claude-code-session-id": "s"})
    assert b"safeguards" not in (setting.exchange.attempt.shown.raw_content or b"")
    asked = made(setting, LS, LS._replace(id="toolu_2"))
    assert [check.call.id for check in asked] == ["toolu_1", "toolu_2"]
    asking = asked[0].exchange
    assert isinstance(asking, exchange.Exchange)
    asking.begin()
    assert asking.request.model == "claude-haiku-5-5"
    assert asking.routed.check == "proxy"
    assert asking.routed.session == "s"
    assert [str(target) for target in asking.plan.targets] == ["anthropic/claude-haiku-5-5"]


def test_nobody_else_is_asked_where_the_checking_model_fails() -> None:
    setting = checked(model=MODEL)
    assert len(setting.exchange.plan.targets) == 2
    (check,) = made(setting, LS)
    asking = check.exchange
    assert isinstance(asking, exchange.Exchange)
    asking.begin()
    assert len(asking.plan.targets) == 1


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (LS._replace(input=None), "truncated"),
        (LS._replace(input={"x": "x" * 100_000}), "input_too_long"),
    ],
)
def test_a_call_that_cannot_be_judged(call: safeguards.Call, reason: str) -> None:
    (check,) = made(checked(), call)
    assert check.exchange is None
    assert check.verdict == {"type": "unavailable", "reason": reason}


def test_no_answer_costs_more_than_so_many_checks() -> None:
    asked = made(checked(), *[LS] * (checks.MOST + 2))
    assert [check.exchange is not None for check in asked] == [True] * checks.MOST + [False] * 2
    assert asked[-1].verdict == {"type": "unavailable", "reason": "error"}


@pytest.mark.parametrize(
    ("pool", "rotates", "login", "is_checked"),
    [
        (POOL, True, "none", True),
        (POOL, False, "own", True),
        (POOL, False, "none", False),
        ((), True, "own", True),
        ((), True, "text", True),  # a gateway's own, perhaps
        ((), True, "none", False),
    ],
)
def test_who_has_a_model_that_checks(
    pool: Sequence[str], rotates: bool, login: admissions.Login, is_checked: bool
) -> None:
    setting = checked(pool=pool, rotates=rotates, login=login, fallback=False)
    (check,) = made(setting, LS)
    assert (check.exchange is not None) is is_checked
    if not is_checked:
        assert check.verdict == safeguards.NOBODY
        assert ("unchecked", None) in setting.events


def test_a_fallback_may_answer_the_clients_own_check() -> None:
    setting = checked(pool=(), login="none")
    assert setting.exchange.checks([LS]) is None


def test_a_client_that_checks_itself() -> None:
    setting = checked()
    profile = dataclasses.replace(setting.state.profile, classifiers=())
    setting = checked(state_of=dataclasses.replace(setting.state, profile=profile))
    assert setting.exchange.checks([LS]) is None
    assert ("unchecked", "client") in setting.events
    assert setting.exchange.checks([]) is None
    assert ("unchecked", "client") not in setting.events


@pytest.mark.parametrize(
    ("arguments", "is_held"),
    [
        ({"model": "glm", "safeguards": SAFEGUARDS}, True),
        ({"model": "chat", "safeguards": SAFEGUARDS}, True),
        ({"model": "glm", "safeguards": SAFEGUARDS, "path": "/v1/messages/count_tokens"}, False),
        ({"model": "glm"}, False),
        ({"model": MODEL, "safeguards": SAFEGUARDS}, False),
    ],
)
def test_whose_end_waits_for_verdicts(arguments: dict[str, Any], is_held: bool) -> None:
    setting = Setting(**arguments)
    step = setting.exchange.begin()
    if isinstance(step, http.Response):
        return  # the tokens are estimated
    answer = setting.exchange.reply(head(200, headers=EVENTS))
    assert isinstance(answer, held.Held) is is_held


def test_anthropic_gets_safeguards_as_they_are() -> None:
    setting = Setting(safeguards=SAFEGUARDS)
    setting.exchange.begin()
    assert setting.exchange.attempt.shown.raw_content == setting.flow.request.raw_content


def test_claude_codes_own_check_is_one() -> None:
    setting = Setting(stream=False, stop_sequences=["</block>"])
    setting.exchange.begin()
    assert setting.observer.request.check == "client"


def limited(within: limits.Limits = limits.NONE, **rights: Any) -> clients.Client:
    entry = profile_clients.Client("alice", (b"",), limits=within, **rights)
    return clients.Client("alice", "header", entry)


def used_up(setting: Setting) -> None:
    setting.exchange.state.gate.counters.settle(
        "alice", budgets.NOTHING, budgets.Amount(50, 1000), setting.exchange.state.gate.clock()
    )


DAY = limits.Limits(caps=(limits.Cap("day", 10),))


async def test_a_client_with_limits_is_admitted() -> None:
    setting = Setting(client=limited(DAY))
    assert setting.exchange.begin() is None
    assert setting.exchange.wants_stream
    assert setting.events == [("began", MODEL)]
    assert isinstance(await setting.exchange.admitted(), attempt.Attempt)
    assert setting.events == [("tries", 1, CLAUDE, TOKEN_1)]


async def test_a_budget_that_is_used_up() -> None:
    setting = Setting(client=limited(DAY))
    used_up(setting)
    assert setting.exchange.begin() is None
    answer = await setting.exchange.admitted()
    assert isinstance(answer, http.Response)
    assert answer.status_code == 429
    assert json.loads(answer.content or b"")["error"]["type"] == "billing_error"
    assert setting.events == [("began", MODEL), ("refused", None)]
    setting.exchange.closed(None)


class Slow(budgets.Book):
    """Answers once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def reserve(self, *asked: Any, **options: Any) -> budgets.Decision:
        self.asked.set()
        await self.may.wait()
        return await super().reserve(*asked, **options)


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("has_pool", [False, True])
async def test_nobody_hears_of_an_attempt_before_it_is_allowed(
    has_pool: bool, is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "FRESH", -1.0 if is_late else 3600.0)
    setting = Setting(client=limited(DAY), pool=POOL if has_pool else ())
    slow = setting.state.gate.counters = Slow()
    assert setting.exchange.begin() is None
    admitted = asyncio.ensure_future(setting.exchange.admitted())
    await slow.asked.wait()
    await asyncio.sleep(0)
    made = getattr(setting.exchange, "attempt", None)
    assert (made is not None) is not has_pool
    assert setting.events == [("began", MODEL)]
    slow.may.set()
    step = await admitted
    assert isinstance(step, attempt.Attempt)
    assert (step is made) is not (has_pool or is_late)
    assert [event[0] for event in setting.events] == ["tries"]


async def test_an_attempt_that_is_not_allowed() -> None:
    setting = Setting(client=limited(DAY), pool=())
    slow = setting.state.gate.counters = Slow()
    used_up(setting)
    assert setting.exchange.begin() is None
    admitted = asyncio.ensure_future(setting.exchange.admitted())
    await slow.asked.wait()
    slow.may.set()
    answer = await admitted
    assert isinstance(answer, http.Response) and answer.status_code == 429
    assert setting.events == [("began", MODEL), ("refused", None)]
    setting.exchange.closed(None)


async def test_a_client_that_leaves_before_it_is_allowed() -> None:
    setting = Setting(client=limited(DAY), pool=())
    slow = setting.state.gate.counters = Slow()
    assert setting.exchange.begin() is None
    admitted = asyncio.ensure_future(setting.exchange.admitted())
    await slow.asked.wait()
    admitted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitted
    assert setting.events == [("began", MODEL)]


async def test_another_model_goes_on() -> None:
    setting = Setting(client=limited(DAY, on_budget="glm", models=patterns.Table({MODEL: None})))
    used_up(setting)
    assert setting.exchange.begin() is None
    step = await setting.exchange.admitted()
    assert isinstance(step, attempt.Attempt)
    assert setting.exchange.current.target == GLM
    (why,) = setting.exchange.current.passed_over
    assert why.startswith("alice has used up the day's budget of $10.00")
    commit(setting)
    response = setting.exchange.progress.response
    setting.exchange.committed(response)
    assert response.headers["x-route-on-budget"] == "glm"
    assert response.headers["x-route-target"] == GLM


@pytest.mark.parametrize("other", ["keyless", "glm"])
async def test_another_model_that_cannot_go_on(other: str) -> None:
    within = DAY if other == "keyless" else limits.Limits(tokens_per_day=10)
    setting = Setting(client=limited(within, on_budget=other))
    used_up(setting)
    setting.exchange.begin()
    assert isinstance(await setting.exchange.admitted(), http.Response)


def test_counting_tokens_is_never_limited() -> None:
    setting = Setting(client=limited(DAY), path="/v1/messages/count_tokens")
    used_up(setting)
    assert isinstance(setting.exchange.begin(), attempt.Attempt)


def spent(setting: Setting) -> float:
    standing = setting.state.gate.counters.standing("alice", DAY, setting.state.gate.clock())
    assert standing
    return standing.used


async def begun(**fields: Any) -> Setting:
    setting = Setting(client=limited(DAY), max_tokens=1_000_000, **fields)
    assert setting.exchange.begin() is None
    assert isinstance(await setting.exchange.admitted(), attempt.Attempt)
    assert spent(setting) == 0
    return setting


async def test_what_an_answer_used_is_settled() -> None:
    setting = await begun()
    reply = setting.exchange.reply(head(200, headers=EVENTS))
    reply.feed(STREAM)
    setting.exchange.committed(reply.response)
    setting.exchange.closed(None)
    # 7 tokens in, 100 from a cache, 42 out
    assert spent(setting) == pytest.approx((7 * 4 + 100 * 0.2 + 42 * 20) / 1e6)
    setting.exchange.closed(None)
    assert spent(setting) == pytest.approx((7 * 4 + 100 * 0.2 + 42 * 20) / 1e6)


async def test_a_failed_request_costs_nothing() -> None:
    setting = await begun(fallback=False, pool=())
    setting.exchange.failed(refusal(500))
    setting.exchange.closed(None)
    assert spent(setting) == 0


async def test_a_client_that_leaves_pays_for_what_it_asked() -> None:
    setting = await begun(messages=[{"role": "user", "content": "x" * 35_000}])
    setting.exchange.closed("Client disconnected")
    assert spent(setting) == pytest.approx(10_000 * 4 / 1e6, rel=0.01)


async def test_a_client_that_has_left_before_it_is_admitted() -> None:
    setting = Setting(client=limited(DAY))
    setting.exchange.begin()
    setting.exchange.closed("Client disconnected")
    await setting.exchange.admitted()
    assert spent(setting) == 0
    most = budgets.Amount(10, 10)
    book = setting.state.gate.counters
    now = setting.state.gate.clock()
    assert (await book.reserve("alice", DAY, most, now)).refusal is None


async def test_a_heavy_request_of_a_client_with_limits() -> None:
    setting = Setting(client=limited(DAY), messages=[{"role": "user", "content": "x" * 3_000_000}])
    setting.exchange.is_heavy = True
    assert await work.beside(setting.exchange.beginning()) is None
    assert isinstance(await setting.exchange.admitted(), attempt.Attempt)
    assert setting.events == [("began", MODEL), ("tries", 1, CLAUDE, TOKEN_1)]


DISABLED = "This organization has been disabled."
NO_CREDIT = "Your credit balance is too low to access the Anthropic API."


def spoken(status: int, message: str, kind: str = "invalid_request_error") -> contract.Failure:
    body = envelope.body(kind, message)
    return contract.Failure(Kind.STATUS, f"HTTP {status}", head(status, body))


@pytest.mark.parametrize(
    ("message", "fields", "headers", "state"),
    [
        (DISABLED, {}, {}, "disabled"),
        (NO_CREDIT, {}, {}, "resting"),
        # A server that begins its message with a name of the client's.
        (f"{DISABLED} does not support images", {"model": f"claude-{DISABLED}"}, {}, "available"),
        (f"{DISABLED} is no tool", {"tools": [{"name": DISABLED}]}, {}, "available"),
        (DISABLED, {"tools": [{"name": "This organization"}]}, {}, "available"),
        (f"{DISABLED} is no field", {DISABLED: 1}, {}, "available"),
        (f"{DISABLED} is no beta", {}, {"anthropic-beta": DISABLED}, "available"),
        (NO_CREDIT, {"metadata": {"user_id": NO_CREDIT}}, {}, "available"),
    ],
)
def test_no_client_can_put_a_token_out_of_use_by_its_words(
    message: str, fields: dict[str, Any], headers: dict[str, str], state: str
) -> None:
    setting = Setting(fallback=False, headers=headers, **fields)
    setting.exchange.begin()
    answer = setting.exchange.failed(spoken(400, message))
    assert setting.state.pool.status()[0].state == state
    if state == "available":
        assert isinstance(answer, http.Response)
        assert answer.status_code == 400


def test_words_of_a_request_do_not_save_a_token_that_is_refused() -> None:
    setting = Setting(fallback=False, metadata={"user_id": "OAuth token has expired"})
    setting.exchange.begin()
    setting.exchange.failed(spoken(401, "OAuth token has expired", "authentication_error"))
    assert setting.state.pool.status()[0].state == "disabled"


def test_nothing_is_learned_from_words_of_the_request() -> None:
    setting = Setting(model="glm", tools=[{"name": "reasoning_effort"}], **EFFORT)
    setting.exchange.begin()
    assert not isinstance(setting.exchange.failed(refuses("reasoning_effort", 400)), http.Response)
    commit(setting)
    assert "learned" not in [event[0] for event in setting.events]


def test_one_client_has_no_target_skipped_for_others() -> None:
    first = Setting()
    for _ in range(10):
        setting = Setting(state_of=first.state)
        setting.exchange.begin()
        setting.exchange.failed(refusal(500))
    assert first.state.breaker.is_open(CLAUDE, first.exchange.sender.party)
    other = Setting(state_of=first.state)
    other.flow.client_conn.peername = ("198.51.100.7", 1)
    other.exchange.begin()
    assert other.exchange.current.target == CLAUDE
