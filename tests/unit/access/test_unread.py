from __future__ import annotations

from mitmproxy.test import tflow

from claude_route.access import unread


def test_only_the_size_is_kept() -> None:
    addon = unread.Unread()
    tcp, udp = tflow.ttcpflow(), tflow.tudpflow()
    last = tcp.messages[-1]
    sent = last.content
    addon.tcp_message(tcp)
    addon.udp_message(udp)
    assert last.content == sent, "the layer sends this one"
    for kept in (tcp.messages[-1], udp.messages[-1]):
        assert kept.content == unread.size(sent)
        assert (kept.from_client, kept.timestamp) == (last.from_client, last.timestamp)


def test_websocket() -> None:
    shown = tflow.twebsocketflow()
    assert shown.websocket
    last = shown.websocket.messages[-1]
    sent = last.content
    unread.Unread().websocket_message(shown)
    assert last.content == sent
    kept = shown.websocket.messages[-1]
    assert kept.content == b"[%d bytes, which the proxy does not keep]" % len(sent)
    assert (kept.type, kept.from_client) == (last.type, last.from_client)
