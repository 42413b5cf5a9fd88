"""Sends spans to a collector, with OpenTelemetry's own library: `pip install claude-route[otlp]`.

It is imported only if the profile says `otlp`. Its thread sends spans in batches, and gives them up where the
collector doesn't take them: no request waits.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import claude_route
from claude_route.proxy import contract
from claude_route.proxy import records
from claude_route.proxy import state
from claude_route.traces import spans

logger = logging.getLogger(__name__)

FAREWELL = 3000
"""Milliseconds that the process's end waits for the last spans."""


class Traces:
    """An addon, and an `accounting.Listener`."""

    def __init__(self, state_in_force: Callable[[], state.State | None]) -> None:
        self.state_in_force = state_in_force
        self.url = ""
        self._exporter: Exporter | None = None

    def running(self) -> None:
        self._follow()

    def take(self, record: records.Record, request: contract.RoutedRequest | None) -> None:
        self._follow()
        if self._exporter:
            self._exporter.send(record)

    def done(self) -> None:
        if self._exporter:
            self._exporter.close()

    def _follow(self) -> None:
        """Does what the profile says now."""
        in_force = self.state_in_force()
        if in_force is None or in_force.profile.otlp == self.url:
            return
        self.url = in_force.profile.otlp
        if self._exporter:
            # Requests don't wait for the last spans.
            threading.Thread(target=self._exporter.close, daemon=True).start()
        self._exporter = None
        if self.url:
            try:
                self._exporter = Exporter(self.url)
            except ModuleNotFoundError:
                logger.warning("otlp: needs `pip install claude-route[otlp]`; no spans are sent")
            except (ImportError, OSError) as e:
                logger.warning(f"otlp: cannot load OpenTelemetry: {e}; no spans are sent")


class Exporter:
    def __init__(self, url: str) -> None:
        """Raises:
        ModuleNotFoundError: the extra isn't installed.
        ImportError, OSError: it can't be loaded now.
        """
        self._api: Any = importlib.import_module("opentelemetry.trace")
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        sampling: Any = importlib.import_module("opentelemetry.sdk.trace.sampling")
        resources: Any = importlib.import_module("opentelemetry.sdk.resources")
        otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        about = {"service.name": "claude-route", "service.version": claude_route.__version__}
        self._provider = sdk.TracerProvider(
            # The client decides: without its span, all are kept.
            sampler=sampling.ParentBased(sampling.ALWAYS_ON),
            resource=resources.Resource.create(about),
            shutdown_on_exit=False,
        )
        sender = otlp.OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=5)
        self._provider.add_span_processor(export.BatchSpanProcessor(sender))
        self._tracer = self._provider.get_tracer("claude_route")

    def send(self, record: records.Record) -> None:
        span = self._tracer.start_span(
            spans.name(record),
            context=self._context(record),
            kind=self._api.SpanKind.CLIENT,
            attributes=spans.attributes(record),
            start_time=int(record.at * 1e9),
        )
        if record.error:
            span.set_status(self._api.StatusCode.ERROR)
        span.end(end_time=int((record.at + record.duration) * 1e9))

    def close(self) -> None:
        self._provider.force_flush(FAREWELL)
        self._provider.shutdown()

    def _context(self, record: records.Record) -> Any:
        parent = spans.parent(record.trace)
        if parent is None:
            return self._api.set_span_in_context(self._api.INVALID_SPAN)
        flags = self._api.TraceFlags(int(parent.is_sampled))
        remote = self._api.SpanContext(parent.trace, parent.span, is_remote=True, trace_flags=flags)
        return self._api.set_span_in_context(self._api.NonRecordingSpan(remote))
