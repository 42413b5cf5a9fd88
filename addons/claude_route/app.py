"""Builds the addons, in the order in which mitmproxy calls their hooks.

The path of a request: `access` admits it, `proxy.exchange` reads it and plans the attempts,
`proxy.layer` sends them, and `proxy.reply` returns the answer. The exchange reports each step to the
observers listed here.
"""

from __future__ import annotations

import time
from dataclasses import replace

from claude_route import admission
from claude_route import announcement
from claude_route import collector
from claude_route import commands
from claude_route import discovery
from claude_route import draining
from claude_route import endurance
from claude_route import limiting
from claude_route import opening
from claude_route import options
from claude_route import settings
from claude_route.access import entrances
from claude_route.access import hidden_flows
from claude_route.access import limits
from claude_route.access import listeners
from claude_route.access import live_secrets
from claude_route.access import places
from claude_route.access import reach
from claude_route.access import unread
from claude_route.ledger import books
from claude_route.metrics import lag
from claude_route.metrics import merging
from claude_route.metrics import meters
from claude_route.pages import asking
from claude_route.pages import mitmweb
from claude_route.pages import web_server
from claude_route.patches import addon
from claude_route.patches import exits
from claude_route.patches import fail_closed
from claude_route.proxy import accounting
from claude_route.proxy import client_http1
from claude_route.proxy import counting
from claude_route.proxy import gate
from claude_route.proxy import layer
from claude_route.proxy import observers
from claude_route.proxy import passing
from claude_route.proxy import upstreams
from claude_route.proxy.upstream import client
from claude_route.sessions import book
from claude_route.store import peers
from claude_route.store import shared
from claude_route.traces import export
from claude_route.watch import capture
from claude_route.watch import failed_attempts
from claude_route.watch import kept_flows
from claude_route.watch import log
from claude_route.watch import memory
from claude_route.watch import prices
from claude_route.watch import readonly
from claude_route.watch import recorder
from claude_route.watch import rows
from claude_route.watch import saved_sessions
from claude_route.watch import siblings
from claude_route.watch import upstream_requests
from claude_route.watch.views import claude


def addons(worker: peers.Worker | None = None) -> list[object]:
    """`worker`: which of several processes with the same listeners this is."""
    table = places.Table()
    entry = listeners.Listeners()
    entrance = entrances.Entrance(table, refusal=entry.refusal)
    stopping = draining.Draining(entrance)
    collections = collector.Collector()
    enduring = endurance.Endurance()
    in_force = settings.Settings(entry, gate.Gate(source=lambda *asked: ledger.balance(*asked)))
    lines = log.Log()
    dollars = prices.Prices(lambda: in_force.state)
    flow_rows = rows.Rows(lines.ended, capture.is_kept, dollars)
    upstream = upstreams.Upstreams(
        lambda: in_force.state.profile if in_force.state else None,
        lambda watcher: client.Client(watcher=watcher, make_room=table.make_room),
    )
    ledger = books.Ledger(lambda: in_force.state)
    meters_of_all = meters.Meters(
        lambda: in_force.state,
        ledger_waiting=lambda: ledger.waiting,
        idle_connections=lambda: upstream.client.idle,
        limits=lambda: limits.meter.counts,
    )
    traces = export.Traces(lambda: in_force.state)
    kept = book.Book(dollars=dollars)
    saved = saved_sessions.SavedSessions(kept)
    recorded = recorder.Recorder(dollars, kept, saved.store, saved.is_on)
    bodies = kept_flows.KeptFlows()
    workers = peers.Peers(worker, meters_of_all.text) if worker else None
    others = worker and siblings.Siblings(worker, kept, bodies.find, bodies.held_flows)
    sources = asking.Sources(
        ledger.report,
        lambda: metrics_of(meters_of_all, workers),
        time.time,
        kept,
        bodies.find,
        saved.kept,
    )
    if others:
        sources = replace(sources, kept=others.find, catch_up=others.catch_up)
    observer = observers.Observers(
        [
            counting.Counting(lambda: in_force.state),
            accounting.Accounting(
                lambda: in_force.state, time.time, [ledger.take, meters_of_all.take, traces.take]
            ),
            meters_of_all,
            stopping,
            lines,
            flow_rows,
            upstream_requests.UpstreamRequests(),
            recorded,
            failed_attempts.FailedAttempts(recorded.failed_attempt),
        ]
    )
    route = admission.Route(in_force, entry, observer, sources)
    reachable = reach.Reach(lambda: entry.guard)
    return [
        addon.Patches(
            layer.made_for(route, upstream, enduring.patience),
            passing.Dialer(upstream),
            readonly.refusal,
            readonly.is_shown,
            fail_closed.Gate(entry, reachable),
            addon.Bounds(entrance.accept, client_http1.BoundedServer, web_server.server(entrance)),
            exits.Hiding(
                live_secrets.hide,
                live_secrets.hide_text,
                hidden_flows.hidden,
                hidden_flows.hidden_message,
            ),
            enduring.install,
            mitmweb.add_to_page,
        ),
        limiting.Limiting(table, entrance, collections.look),
        enduring,
        in_force,
        # Before the listeners: the first request is to know which tokens rest.
        shared.Store(lambda: in_force.state, workers),
        opening.Opening(),
        upstream,
        announcement.Announcement(in_force),
        entry,
        reachable,
        unread.Unread(),
        discovery.Discovery(lambda: in_force.state, upstream),
        route,
        stopping,
        lines,
        flow_rows,
        capture.Capture(flow_rows, wanted=lambda: capture.SUMMARY_LIMIT if recorded.is_on else 0),
        recorded,
        saved,
        claude.Views(dollars),
        bodies,
        *([others] if others else []),
        memory.Memory(),
        commands.Commands(lambda: in_force.state),
        mitmweb.Pages(lambda: in_force.state, sources),
        ledger,
        traces,
        lag.Lag(meters_of_all.lag.observe),
        readonly.Readonly(),
        options.Values(),
        collections,
    ]


def metrics_of(own: meters.Meters, workers: peers.Peers | None) -> bytes:
    if workers is None:
        return own.text()
    return merging.merged({**workers.texts, workers.own.number: own.text()})
