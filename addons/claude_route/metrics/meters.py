"""The metrics: their names, and what is counted for them."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import prometheus_client
from prometheus_client import core
from prometheus_client import exposition
from prometheus_client import registry

import claude_route
from claude_route.metrics import labels
from claude_route.profile import profiles
from claude_route.proxy import contract
from claude_route.proxy import records
from claude_route.proxy import state

FIRST_BYTE = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300)
DURATION = (0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200)
LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
"""Seconds."""


class Meters(contract.Observer):
    """Has a registry of its own: mitmproxy, or a script of the user's, may have another."""

    def __init__(
        self,
        state_in_force: Callable[[], state.State | None],
        *,
        limits: Callable[[], Mapping[str, int]] = dict,
        ledger_waiting: Callable[[], int] = int,
        idle_connections: Callable[[], int] = int,
    ) -> None:
        """`limits` says how often each was met, `ledger_waiting` how many records aren't written yet, and
        `idle_connections` how many to upstreams are kept."""
        self.state_in_force = state_in_force
        self.names = labels.Names()
        self.in_progress = 0
        self._streams: weakref.WeakSet[contract.RoutedRequest] = weakref.WeakSet()
        self._limits = limits
        self._ledger_waiting = ledger_waiting
        self._idle_connections = idle_connections
        # Each series would have a second one, which says when it began.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry.CollectorRegistry(auto_describe=False)
        self.requests = self._counter(
            "requests", "Requests that are over.", "model", "target", "status", "kind"
        )
        self.attempts = self._counter(
            "attempts", "Attempts to have a request answered.", "target", "outcome"
        )
        self.failovers = self._counter(
            "failovers", "Requests that went on to another attempt.", "target", "then", "reason"
        )
        self.tokens = self._counter("tokens", "Tokens of answers.", "model", "target", "type")
        self.cost = self._counter(
            "cost_dollars", "US dollars, at list prices.", "model", "target", "type"
        )
        self.unpriced = self._counter(
            "unpriced_requests", "Requests with tokens whose price isn't known.", "target"
        )
        self.first_byte = self._histogram(
            "time_to_first_byte_seconds", "Until an answer begins.", FIRST_BYTE, "target"
        )
        self.duration = self._histogram(
            "request_duration_seconds", "Until a request is over.", DURATION, "target"
        )
        self.lag = prometheus_client.Histogram(
            f"{PREFIX}event_loop_lag_seconds",
            "How late the event loop comes to a timer.",
            registry=self.registry,
            buckets=LAG,
        )
        self.registry.register(_Collector(self._now))
        prometheus_client.ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        text: bytes = exposition.generate_latest(self.registry)
        return text

    def take(self, record: records.Record, request: contract.RoutedRequest | None) -> None:
        """Implements `accounting.Listener`."""
        in_force = self.state_in_force()
        if in_force is None:
            return
        profile = in_force.profile
        if record.first_byte is not None:
            self.names.answered(record.model, record.target)
        model = self.names.model(record.model, profile)
        target = self.names.target(record.target, profile)
        self.requests(model, target, labels.status(record.status), record.kind).inc()
        self._attempted(record, target, profile)
        self.duration(target).observe(record.duration)
        if record.first_byte is not None and record.kind != "count":
            self.first_byte(target).observe(record.first_byte)
        self._spent(record, model, target)

    def _attempted(self, record: records.Record, target: str, profile: profiles.Profile) -> None:
        for failure in record.failures:
            failed = self.names.target(failure.target, profile)
            self.attempts(failed, failure.reason).inc()
            if failure.then:
                then = self.names.target(failure.then, profile)
                self.failovers(failed, then, failure.reason).inc()
        if record.attempts > len(record.failures):
            outcome = "interrupted" if record.error == "interrupted" else "answered"
            if record.first_byte is None:
                outcome = "abandoned"
            self.attempts(target, outcome).inc()

    def _spent(self, record: records.Record, model: str, target: str) -> None:
        used = record.usage
        kinds = (
            ("input", used.input),
            ("output", used.output),
            ("cache_read", used.cache_read),
            ("cache_write", used.cache_write),
        )
        for kind, tokens in kinds:
            if tokens:
                self.tokens(model, target, kind).inc(tokens)
        if record.cost.dollars is None:
            self.unpriced(target).inc()
        elif record.price:
            for kind, dollars in record.price.parts(used).items():
                if dollars:
                    self.cost(model, target, kind).inc(dollars)

    # What the exchange reports

    def began(self, request: contract.RoutedRequest) -> None:
        self.in_progress += 1

    def committed(
        self, request: contract.RoutedRequest, attempt: contract.Try, progress: contract.Progress
    ) -> None:
        self._streams.add(request)

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        self.in_progress -= 1
        self._streams.discard(request)

    def _now(self) -> Iterator[core.Metric]:
        """What is true at the moment of the scrape."""
        yield _gauge("info", "What runs here.", ("version",), [((claude_route.__version__,), 1)])
        yield _gauge(
            "requests_in_progress", "Requests that are not over.", (), [((), self.in_progress)]
        )
        yield _gauge("streams", "Answers that clients are getting.", (), [((), len(self._streams))])
        yield _gauge(
            "upstream_idle_connections",
            "Connections to upstreams that wait for a request.",
            (),
            [((), self._idle_connections())],
        )
        yield _gauge(
            "ledger_waiting", "Requests not yet in the ledger.", (), [((), self._ledger_waiting())]
        )
        met = core.CounterMetricFamily(
            f"{PREFIX}limits_met", "How often a limit was met.", labels=("limit",)
        )
        for limit, count in self._limits().items():
            met.add_metric((limit,), count)
        yield met
        if in_force := self.state_in_force():
            yield from _pool(in_force)
            yield from _clients(in_force)

    def _counter(
        self, name: str, about: str, *names: str
    ) -> Callable[..., prometheus_client.Counter]:
        """The counter for values of its labels. The library's own look-up takes a lock and longer than the
        rest; there are only so many values."""
        made = prometheus_client.Counter(f"{PREFIX}{name}", about, names, registry=self.registry)
        return functools.cache(made.labels)

    def _histogram(
        self, name: str, about: str, buckets: Iterable[float], *names: str
    ) -> Callable[..., prometheus_client.Histogram]:
        made = prometheus_client.Histogram(
            f"{PREFIX}{name}", about, names, registry=self.registry, buckets=tuple(buckets)
        )
        return functools.cache(made.labels)


PREFIX = "claude_route_"


class _Collector(registry.Collector):
    def __init__(self, collect: Callable[[], Iterator[core.Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[core.Metric]:
        return self._collect()


def _gauge(
    name: str,
    about: str,
    names: tuple[str, ...],
    values: Iterable[tuple[tuple[str, ...], float]],
) -> core.Metric:
    gauge = core.GaugeMetricFamily(f"{PREFIX}{name}", about, labels=names)
    for key, value in values:
        gauge.add_metric(key, value)
    return gauge


def _pool(in_force: state.State) -> Iterator[core.Metric]:
    rows = in_force.pool.status()
    states = ("available", "resting", "disabled")
    counts = [((each,), sum(row.state == each for row in rows)) for each in states]
    yield _gauge("pool_tokens", "Claude tokens, by their state.", ("state",), counts)
    windows = [
        *(((str(row.place), "5h"), row.five_hour) for row in rows),
        *(((str(row.place), "7d"), row.seven_day) for row in rows),
    ]
    yield _gauge(
        "pool_token_utilization_ratio",
        "How much of its limit a Claude token has used.",
        ("token", "window"),
        [(key, used) for key, used in windows if used is not None],
    )
    exact = sorted({str(target) for _, target in in_force.profile.models.items()})
    yield _gauge(
        "target_skipped",
        "Whether others are tried before this target, because it keeps failing.",
        ("target",),
        [((name,), float(in_force.breaker.is_open(name))) for name in exact if "*" not in name],
    )


def _clients(in_force: state.State) -> Iterator[core.Metric]:
    """How clients stand with what they may use, by what is known since the last look at all instances."""
    every = [
        (client.name, standing)
        for client in in_force.profile.clients.values()
        for standing in in_force.gate.overview(client).standings
    ]
    dollars = [each for each in every if each[1].unit == "dollars"]
    tokens = [each for each in every if each[1].unit == "tokens"]
    periods = ("client", "period")
    yield _gauge(
        "client_budget_dollars",
        "What a client may spend in a period.",
        periods,
        [((name, standing.period), standing.limit) for name, standing in dollars],
    )
    yield _gauge(
        "client_spent_dollars",
        "What a client with a budget has spent since the period began.",
        periods,
        [((name, standing.period), standing.used) for name, standing in dollars],
    )
    yield _gauge(
        "client_tokens_per_day",
        "The tokens that a client may use each day.",
        ("client",),
        [((name,), standing.limit) for name, standing in tokens],
    )
    yield _gauge(
        "client_tokens_today",
        "The tokens that a client with such a limit has used today.",
        ("client",),
        [((name,), standing.used) for name, standing in tokens],
    )
