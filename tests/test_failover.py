"""A failed provider is replaced before the client sees anything, over the wire of a real mitmdump."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import httpx
import live
import pytest

import simulator
import sse
from simulator import answers
from simulator import limits

Start = Callable[..., live.Proxy]

FALLBACKS = {"claude-*": ["glm"], "hasty-*": ["glm"], "refused-*": ["glm"], "far-*": ["glm"]}

# Providers whose upstreams fail by what they are, and one with little patience.
MODELS = {
    "glm": "zai/glm-5",
    "alone-*": "anthropic/alone-*",
    "claude-*": "anthropic/claude-*",
    "hasty-*": "hasty/hasty-*",
    "lonely-*": "hasty/lonely-*",
    "refused-*": "refused/refused-*",
    "nobody-*": "refused/nobody-*",
    "far-*": "far/far-*",
}


def providers(url: str, far: int = 9) -> dict[str, Any]:
    keyed = {"auth": "bearer", "api_key": "provider-key-0123456789"}
    hasty = {"first_byte_timeout": 0.4, "idle_timeout": 0.4}
    named = live.profile(url)["providers"]
    named["hasty"] = {"base_url": f"{url}/provider/hasty", **keyed, **hasty}
    named["refused"] = {"base_url": f"http://127.0.0.1:{live.free_port()}", **keyed}
    named["far"] = {"base_url": f"http://127.0.0.1:{far}", **keyed, "connect_timeout": 0.3}
    return dict(named)


class Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes
    first: float
    """When its first bytes were here, by time.monotonic()."""
    broken: str
    """How it ended before its end."""

    @property
    def events(self) -> list[sse.Event]:
        decoder = sse.Decoder()
        events = decoder.feed(self.body)
        assert decoder.rest() == b""
        return events

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def text(self) -> str:
        deltas = [json.loads(event.data) for event in self.events if "delta" in event.name]
        return "".join(delta["delta"].get("text", "") for delta in deltas)

    @property
    def error(self) -> dict[str, Any]:
        body = json.loads(self.body)
        assert body["type"] == "error"
        return dict(body["error"])


def ask(client: httpx.Client, model: str, **fields: Any) -> Answer:
    """A streamed answer, unless `stream` says otherwise."""
    request = live.message(model, **{"stream": True, **fields})
    body, first, broken = b"", 0.0, ""
    with client.stream("POST", "https://api.anthropic.com/v1/messages", json=request) as response:
        try:
            for chunk in response.iter_raw():
                first = first or time.monotonic()
                body += chunk
        except httpx.TransportError as e:
            broken = repr(e)
    return Answer(response.status_code, response.headers, body, first, broken)


class Pair(NamedTuple):
    """A proxy with no pool, and the simulator that plays all its providers."""

    sim: simulator.Simulator
    proxy: live.Proxy
    serial: Iterator[int]

    def model(self, kind: str) -> str:
        """One that nobody has used: what is known of a target lasts longer than a test."""
        return f"{kind}-{next(self.serial)}"

    def when(self, model: str, **delivery: Any) -> None:
        self.sim.when(lambda r: r.model == model, answers.Answer(**delivery))

    def reverse(self) -> httpx.Client:
        """As `ask` wants it: mitmproxy's reverse door takes any host name."""
        client = self.proxy.client()
        client.event_hooks = {"request": [self._to_the_door]}
        return client

    def _to_the_door(self, request: httpx.Request) -> None:
        request.url = request.url.copy_with(
            scheme="http", host="127.0.0.1", port=self.proxy.reverse_port
        )

    def tunnel(self, **arguments: Any) -> httpx.Client:
        headers = {"x-api-key": live.API_KEY}
        return self.proxy.tunnel_client(headers=headers, **arguments)

    def log_of(self, model: str) -> list[str]:
        """What the proxy says of a model, times and colours aside."""
        lines = re.findall(rf"\] (?:\x1b\[\d+m)?({re.escape(model)}: .*)", self.proxy.log)
        return [line.removesuffix("\x1b[0m") for line in lines]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, unanswered: int) -> Iterator[Pair]:
    with simulator.Simulator(strict=False) as sim:
        proxy = live.Proxy(
            tmp_path_factory.mktemp("shared"),
            live.profile(
                sim.url,
                providers=providers(sim.url, unanswered),
                models=MODELS,
                fallbacks=FALLBACKS,
            ),
            behind=sim.url,
        )
        yield Pair(sim, proxy, itertools.count(1))
        proxy.close()


@pytest.fixture
def pair(shared: Pair) -> Pair:
    shared.sim.clear()
    return shared


@pytest.fixture(scope="module")
def unanswered() -> Iterator[int]:
    """A port whose connections are never made: nobody accepts, and the backlog is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            filler = open_sockets.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        port: int = listener.getsockname()[1]
        yield port


def reverse(pair: Pair) -> httpx.Client:
    return pair.reverse()


def tunnel(pair: Pair) -> httpx.Client:
    return pair.tunnel()


def http2(pair: Pair) -> httpx.Client:
    return pair.tunnel(http2=True)


@pytest.fixture(params=[reverse, http2])
def client(request: pytest.FixtureRequest, pair: Pair) -> Iterator[httpx.Client]:
    """Through each of the doors; HTTP/1.1 at one, HTTP/2 at the other."""
    with request.param(pair) as made:
        yield made


# What is replaced

FAILURES = [
    pytest.param("claude", {"status": 429}, "429", id="429"),
    pytest.param("claude", {"status": 500}, "500", id="500"),
    pytest.param("claude", {"status": 503}, "503", id="503"),
    pytest.param("claude", {"status": 529}, "529", id="529"),
    pytest.param("refused", {}, "Connect call failed", id="refused"),
    pytest.param("far", {}, "no connection within 0.3 s", id="not connected in time"),
    pytest.param("claude", {"before_head": "reset"}, "server closed connection", id="reset"),
    pytest.param("claude", {"before_head": "close"}, "server closed connection", id="closed"),
    pytest.param("hasty", {"before_head": "silence"}, "silent for 0.4 s", id="silent"),
    pytest.param("claude", {"error_at": 0}, "first event overloaded_error", id="first event"),
    pytest.param(
        "claude",
        {"error_at": 0, "noise": ("comment", "ping")},
        "first event overloaded_error",
        id="first event after a comment",
    ),
    pytest.param(
        "hasty", {"cut_events": 0, "end": "hang"}, "silent for 0.4 s", id="silent after the head"
    ),
    pytest.param("claude", {"cut_events": 0}, "ended before its first event", id="no event"),
    pytest.param("claude", {"cut_events": 0, "end": "reset"}, "peer closed", id="no event, reset"),
    pytest.param(
        "claude",
        {"headers": (("content-encoding", "compress"),)},
        "content-encoding",
        id="unreadable",
    ),
]


@pytest.mark.parametrize("client", [reverse, tunnel, http2], indirect=True)
@pytest.mark.parametrize(("kind", "failure", "why"), FAILURES)
def test_a_failure_is_replaced_by_the_fallbacks_stream(
    pair: Pair, client: httpx.Client, kind: str, failure: dict[str, Any], why: str
) -> None:
    model = pair.model(kind)
    pair.when(model, **failure)
    pair.when("glm-5", content=(answers.Text("from the fallback"),), event_delay=0.02)
    answer = ask(client, model)
    assert (answer.status, answer.broken) == (200, "")
    assert answer.names[0] == "message_start"
    assert answer.names[-1] == "message_stop"
    assert answer.text == "from the fallback"
    assert answer.headers["x-route-target"] == "zai/glm-5"
    assert answer.headers["x-route-attempts"] == "2"
    used = pair.sim.wait_done(len(pair.sim.requests))[-1]
    assert used.path == "/provider/zai/v1/messages"
    assert answer.first - used.time < 0.5
    assert used.ended and answer.first < used.time + used.ended, "it came as a stream"
    (line,) = pair.log_of(model)
    assert line.startswith(f"{model}: {MODELS[f'{kind}-*'].partition('/')[0]}/{model} ")
    assert why in line
    assert line.endswith(" → zai/glm-5")


def test_whole_answers_are_replaced_too(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, status=503)
    answer = ask(client, model, stream=False)
    assert json.loads(answer.body)["content"][-1]["text"] == "You said: hello"
    assert answer.headers["x-route-target"] == "zai/glm-5"


def test_a_whole_answer_that_is_cut_is_replaced(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, cut_events=0, cut_bytes=20, end="close")
    answer = ask(client, model, stream=False)
    assert json.loads(answer.body)["content"][-1]["text"] == "You said: hello"
    assert answer.headers["x-route-attempts"] == "2"


def test_a_good_answer_is_the_first_attempts(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    answer = ask(client, model)
    assert answer.text == "You said: hello"
    assert answer.headers["x-route-target"] == f"anthropic/{model}"
    assert answer.headers["x-route-attempts"] == "1"
    assert len(pair.sim.requests) == 1
    assert not pair.log_of(model)


def test_one_connection_serves_attempts_of_many_requests(pair: Pair, client: httpx.Client) -> None:
    """Whatever failed before on it, and however."""
    for failure in ({"status": 429}, {"before_head": "reset"}, {"error_at": 0}, {"status": 500}):
        model = pair.model("claude")
        pair.when(model, **failure)
        assert ask(client, model).text == "You said: hello"
        assert ask(client, pair.model("claude")).text == "You said: hello"


# What is handed back


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_another_would_refuse_too_is_handed_back(
    pair: Pair, client: httpx.Client, status: int
) -> None:
    model = pair.model("claude")
    pair.when(model, status=status, message="messages.1: no such thing")
    answer = ask(client, model)
    assert (answer.status, answer.error["message"]) == (status, "messages.1: no such thing")
    assert answer.headers["x-route-attempts"] == "1"
    assert len(pair.sim.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_the_clients_own_credential_is_its_own_business(
    pair: Pair, client: httpx.Client, status: int
) -> None:
    model = pair.model("claude")
    pair.when(model, status=status, headers=(("x-should-retry", "false"),))
    answer = ask(client, model)
    assert answer.status == status
    assert answer.error["message"] == answers.ERRORS[status][1]
    assert answer.headers["x-should-retry"] == "false"
    (request,) = pair.sim.requests
    assert request.credential == live.API_KEY


# What the client gets when all fail


def test_all_that_was_tried_is_named(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, before_head="reset")
    pair.when("glm-5", status=529, message="No capacity", headers=(("retry-after", "900"),))
    answer = ask(client, model)
    assert (answer.status, answer.error["type"]) == (529, "overloaded_error")
    assert re.fullmatch(
        rf"anthropic/{model}: server closed connection; zai/glm-5: 529, No capacity",
        answer.error["message"],
    )
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["x-route-attempts"] == "2"
    assert answer.headers["x-route-target"] == "zai/glm-5"
    assert len(pair.log_of(model)) == 2


def test_one_that_is_not_there_and_has_no_fallback(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("nobody")
    answer = ask(client, model)
    assert (answer.status, answer.error["type"]) == (502, "api_error")
    assert answer.error["message"].startswith(f"refused/{model}: ")


def test_a_key_of_ours_that_is_refused_sends_nobody_to_log_in(
    pair: Pair, client: httpx.Client
) -> None:
    pair.when("glm-5", status=401, message="provider-key-0123456789 is no key")
    answer = ask(client, "glm")
    assert (answer.status, answer.headers["x-should-retry"]) == (500, "false")
    assert "provider-key" not in answer.body.decode()


def test_a_thread_that_would_leave_anthropic_starts_anew(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, status=529)
    answer = ask(client, model, thread={"type": "continue", "previous_message_id": "msg_1"})
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    assert answer.error["details"]["error_code"] == "thread_not_found"
    assert len(pair.sim.requests) == 1


# After the first event


CUTS = [
    pytest.param({"cut_events": 3, "end": "reset"}, 3, id="reset"),
    pytest.param({"cut_events": 3, "end": "close"}, 3, id="closed"),
    pytest.param({"cut_events": 3}, 3, id="ended early"),
    pytest.param({"cut_events": 3, "cut_bytes": 30, "end": "reset"}, 3, id="half an event"),
    pytest.param({"cut_events": 3, "cut_bytes": 30}, 3, id="half an event, ended"),
    pytest.param({"cut_events": 3, "end": "hang"}, 3, id="silent"),
    pytest.param({"cut_events": 3, "encoding": "gzip", "end": "reset"}, 3, id="compressed"),
    pytest.param({"cut_events": 1, "chunk_size": 7, "end": "close"}, 1, id="small pieces"),
]


@pytest.mark.parametrize(("delivery", "whole"), CUTS)
def test_a_provider_that_dies_in_its_answer(
    pair: Pair, client: httpx.Client, delivery: dict[str, Any], whole: int
) -> None:
    model = pair.model("hasty")
    pair.when(model, **delivery)
    answer = ask(client, model)
    assert (answer.status, answer.broken) == (200, "")
    assert len(answer.events) == whole + 1
    assert answer.names[0] == "message_start"
    last = answer.events[-1]
    assert last.name == "error"
    assert json.loads(last.data)["error"]["type"] == "api_error"
    assert len(pair.sim.requests) == 1, "nothing is sent again"
    assert answer.headers["x-route-attempts"] == "1"


def test_a_character_cut_in_two_never_arrives(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    text = answers.Text("naïve, 考え")
    pair.when(model, content=(text,), delta_size=3, cut_character=True, end="reset")
    answer = ask(client, model)
    answer.body.decode()
    assert answer.names[-1] == "error"


@pytest.mark.parametrize("end", ["reset", "hang", "close"])
def test_an_answer_that_was_complete_when_its_provider_died(
    pair: Pair, client: httpx.Client, end: str
) -> None:
    model = pair.model("hasty")
    pair.when(model, end=end)
    answer = ask(client, model)
    assert (answer.names[-1], answer.broken) == ("message_stop", "")
    assert answer.text == "You said: hello"


def test_a_missing_last_event_is_made_up(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, drop=("message_stop",))
    assert ask(client, model).names[-2:] == ["message_delta", "message_stop"]


def test_an_error_in_the_middle_is_the_end(pair: Pair, client: httpx.Client) -> None:
    model = pair.model("claude")
    pair.when(model, error_at=4, error="api_error", end="hang")
    answer = ask(client, model)
    assert (answer.names[-1], answer.broken) == ("error", "")
    assert answer.names.count("error") == 1


# A client that leaves


def leave(client: httpx.Client, model: str, *, after: float = 0, events: int = 0) -> None:
    """Ask, and go away after some seconds, or some events."""
    timeout = httpx.Timeout(10, read=after or 10)
    url, request = "https://api.anthropic.com/v1/messages", live.message(model, stream=True)
    with contextlib.suppress(httpx.ReadTimeout):
        with client.stream("POST", url, json=request, timeout=timeout) as response:
            seen = b""
            for chunk in response.iter_raw():
                seen += chunk
                if seen.count(b"\n\n") >= events:
                    break


@pytest.mark.parametrize(
    ("delivery", "when"),
    [
        pytest.param({"before_head": "silence"}, {"after": 0.1}, id="before the head"),
        pytest.param({"cut_events": 0, "end": "hang"}, {"after": 0.1}, id="before an event"),
        pytest.param({"cut_events": 3, "end": "hang"}, {"events": 2}, id="in the answer"),
        pytest.param({"event_delay": 0.05}, {"events": 2}, id="in an answer that goes on"),
    ],
)
def test_a_client_that_leaves_cancels_the_upstream(
    pair: Pair, client: httpx.Client, delivery: dict[str, Any], when: dict[str, Any]
) -> None:
    model = pair.model("alone")
    pair.when(model, **delivery)
    started = time.monotonic()
    leave(client, model, **when)
    left = time.monotonic()
    (request,) = pair.sim.wait_done(1)
    assert request.cancelled is not None
    assert started < request.time + request.cancelled < left + 0.3


def test_a_client_that_leaves_while_a_connection_is_made(
    pair: Pair, client: httpx.Client
) -> None:
    leave(client, pair.model("far"), after=0.1)
    time.sleep(0.4)
    assert not pair.sim.requests, "the fallback isn't asked for nobody"
    assert ask(client, pair.model("claude")).text == "You said: hello"


def test_a_client_that_leaves_during_the_second_attempt(
    pair: Pair, client: httpx.Client
) -> None:
    model = pair.model("claude")
    pair.when(model, status=500)
    pair.when("glm-5", before_head="silence")
    leave(client, model, after=0.1)
    requests = pair.sim.wait_done(2)
    assert requests[-1].cancelled is not None


# A pool


@pytest.fixture
def pooled(start: Start, sim: simulator.Simulator) -> Callable[..., httpx.Client]:
    """A client of a proxy with three tokens."""

    def pooled(**changes: Any) -> httpx.Client:
        pool = {"tokens": list(live.POOL[:3]), "strategy": "round-robin"}
        made = live.profile(sim.url, **{"pool": pool, **changes})
        return start(made, behind=sim.url).client()

    return pooled


def limited(sim: simulator.Simulator, *places: int, **resets: Any) -> None:
    """Has these tokens refused for an hour, or as said, as Anthropic refuses."""
    for place in places:
        headers = limits.rejected("5h", now=time.time(), **resets)
        sim.when(
            lambda r, token=live.POOL[place - 1]: r.credential == token,
            answers.failure(429, headers=headers),
        )


def used(sim: simulator.Simulator) -> list[str]:
    """The last characters of the credentials that came, in order."""
    return [str(request.credential)[-4:] for request in sim.requests]


def post(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/v1/messages", json=live.message(**{"stream": True, **fields}))


def test_the_third_token_answers_when_two_are_limited(
    pooled: Callable[..., httpx.Client], start: Start, sim: simulator.Simulator
) -> None:
    limited(sim, 1, 2)
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        response = post(client)
        assert response.headers["x-route-target"] == "anthropic/claude-opus-5-5"
        assert response.headers["x-route-attempts"] == "3"
        assert used(sim) == ["pol1", "pol2", "pol3"]
        assert post(client).headers["x-route-attempts"] == "1"
        assert used(sim)[3:] == ["pol3"], "the first two rest"


def test_the_log_tells_what_rests_and_what_came_next(
    start: Start, sim: simulator.Simulator
) -> None:
    limited(sim, 2, five_hour_in=3600)
    pool = {"tokens": list(live.POOL[:2])}
    proxy = start(
        live.profile(sim.url, pool=pool, fallbacks={"claude-*": ["glm"]}), behind=sim.url
    )
    with proxy.client() as client:
        sim.script(answers.failure(429, headers=(("retry-after", "30"),)))
        post(client)
    assert re.search(
        r"claude-opus-5-5: anthropic \(token 1 …pol1\) 429, rests (30|29) s "
        r"→ anthropic \(token 2 …pol2\)",
        proxy.log,
    )
    assert re.search(
        r"claude-opus-5-5: anthropic \(token 2 …pol2\) 429, rests (3600|359\d) s → zai/glm-5",
        proxy.log,
    )


def test_the_fallback_answers_when_all_are_limited(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    limited(sim, 1, 2, 3)
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        response = post(client)
        assert response.headers["x-route-target"] == "zai/glm-5"
        assert response.headers["x-route-attempts"] == "4"
        assert used(sim) == ["pol1", "pol2", "pol3", "6789"]
        assert post(client).headers["x-route-attempts"] == "1", "none is asked while all rest"


def test_the_soonest_reset_is_told_when_all_are_limited_and_nothing_stands_behind(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    limited(sim, 1, 3, five_hour_in=7200)
    limited(sim, 2, five_hour_in=20)
    with pooled() as client:
        response = post(client)
        assert response.status_code == 429
        error = response.json()["error"]
        assert error["type"] == "rate_limit_error"
        assert "anthropic/claude-opus-5-5 (token 2): 429" in error["message"]
        assert "pol2" not in error["message"]
        assert 15 <= int(response.headers["retry-after"]) <= 20
        post(client)
        assert used(sim)[3:] == ["pol2"], "the one that is due soonest"


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_no_token_rests_for_a_request_that_is_wrong(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator, status: int
) -> None:
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        sim.script(answers.failure(status))
        assert post(client).status_code == status
        assert [post(client).status_code for _ in range(3)] == [200] * 3
    assert used(sim) == ["pol1", "pol2", "pol3", "pol1"]


def test_an_outage_is_no_fault_of_the_tokens(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled(fallbacks={"claude-*": ["glm"]}) as client:
        sim.script(answers.failure(529))
        assert post(client).headers["x-route-target"] == "zai/glm-5"
        assert [post(client).headers["x-route-attempts"] for _ in range(3)] == ["1"] * 3
    assert used(sim) == ["pol1", "6789", "pol2", "pol3", "pol1"]


def test_a_token_that_is_revoked_is_out_of_use(
    pooled: Callable[..., httpx.Client], sim: simulator.Simulator
) -> None:
    with pooled() as client:
        sim.script(answers.failure(403))
        assert post(client).status_code == 200
        assert [post(client).status_code for _ in range(2)] == [200] * 2
    assert used(sim) == ["pol1", "pol2", "pol3", "pol2"]


def test_a_target_that_failed_three_times_is_passed_over(pair: Pair) -> None:
    model = pair.model("claude")
    pair.when(model, status=503)
    with pair.reverse() as client:
        attempts = [ask(client, model).headers["x-route-attempts"] for _ in range(4)]
    assert attempts == ["2", "2", "2", "1"]


def test_it_is_asked_all_the_same_when_nothing_stands_behind(pair: Pair) -> None:
    model = pair.model("alone")
    pair.when(model, status=503)
    with pair.reverse() as client:
        assert [ask(client, model).status for _ in range(5)] == [503] * 5
    assert len(pair.sim.requests) == 5
