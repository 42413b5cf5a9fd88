"""Secrets in places that nobody thinks of: each way in which an upstream may echo the credential that it
got, in each place of an answer, and then everything that the proxy has written or shows."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import socket
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from tests.wire import mitmweb
from tests.wire import proxies
from tests.wire import raw_upstream
from tests.wire import shown_pages
from tests.wire import traces

Start = Callable[..., proxies.Proxy]

STATIC = "static-MARKED-0123456789-stat"
POOL = "sk-ant-oat01-MARKED-pool-one-00000-pol1"
ZAI_KEY = "zai/MARKED+0123456789=zkey"
CHAT_KEY = "chat-MARKED-0123456789-chat"
CLIENT_KEY = "sk-ant-api03-MARKED-client-key-0000-ckey"
OURS = {"claude-x": POOL, "glm": ZAI_KEY, "gpt": CHAT_KEY}
"""What an attempt for a model carries."""

REFRESH = "REFRESH-MARKED-0123456789-rfsh"
MESSAGE = "sk-ant-oat01-MARKED-websocket-00-wsok"
SPLIT = "sk-ant-api03-MARKED-split-head-0-splt"
RAW = "sk-ant-oat01-MARKED-raw-tcp-0000-rawt"
PROXY_USER = "tunnel-MARKED-0123456789-tunl"

SECRETS = [STATIC, *OURS.values(), CLIENT_KEY, REFRESH, MESSAGE, SPLIT, RAW, PROXY_USER]


def escaped(secret: str) -> str:
    return "".join(f"\\u{ord(c):04x}" for c in secret)


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": escaped,
    "one character in JSON": lambda secret: f"\\u{ord(secret[0]):04X}{secret[1:]}",
    "slashes in JSON": lambda secret: secret.replace("/", "\\/"),
    "URL": lambda secret: "".join(f"%{ord(c):02X}" for c in secret),
    "HTML": lambda secret: "".join(f"&#{ord(c)};" for c in secret),
    "Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "Basic": lambda secret: base64.b64encode(f"me:{secret}".encode()).decode(),
    "hexadecimal": lambda secret: secret.encode().hex(),
}


def response(
    body: str, status: str = "200 OK", kind: str = "application/json", head: str = ""
) -> bytes:
    return encoded(body.encode(), status, kind, head)


def encoded(body: bytes, status: str, kind: str, head: str = "") -> bytes:
    fields = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{head}content-length: {len(body)}\r\n"
    return f"{fields}\r\n".encode() + body


START = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"%s","type":"message","role":'
    '"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
    '{"input_tokens":1,"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":'
    '"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)
DELTA = (
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    '{"type":"text_delta","text":"%s"}}\n\n'
)
STOP = (
    'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
    '"stop_sequence":null},"usage":{"output_tokens":2}}\n\n'
    'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
CHAT = (
    'data: {"id":"%s","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    '"delta":{"role":"assistant","content":"%s"},"finish_reason":null}]}\n\n'
)
CHAT_STOP = (
    'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    '"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,'
    '"total_tokens":2}}\n\ndata: [DONE]\n\n'
)


def stream(*events: str) -> bytes:
    return response("".join(events), kind="text/event-stream")


def error(form: str) -> str:
    return f'{{"type":"error","error":{{"type":"invalid_request_error","message":"no {form}!"}}}}'


def whole(form: str) -> str:
    return (
        '{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":'
        f'"{form}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":'
        '{"input_tokens":1,"output_tokens":1}}'
    )


def chat(form: str) -> str:
    return (
        '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
        f'{{"role":"assistant","content":"{form}"}},"finish_reason":"stop"}}],"usage":'
        '{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
    )


def cut(data: bytes, form: str) -> list[bytes]:
    """In two pieces, of which the second begins in the middle of the secret."""
    middle = data.index(form.encode()) + len(form) // 2
    return [data[:middle], data[middle:]]


def chunked(form: str) -> Iterable[bytes]:
    for piece in cut(error(form).encode(), form):
        head = b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        yield (head if piece[:1] == b"{" else b"") + b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n" + f"x-a: {form}\r\n\r\n".encode()


def slowly(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        time.sleep(0.05)


type Place = Callable[[str], bytes | Iterable[bytes]]

ERRORS: dict[str, Place] = {
    "error": lambda form: response(error(form), "400 Bad"),
    "error in JSON in JSON": lambda form: response(error(json.dumps(error(form))[1:-1]), "400 Bad"),
    "web page": lambda form: response(
        f"<title>{form}</title><p>{form}", "400 Bad", kind="text/html"
    ),
    "error in gzip": lambda form: encoded(
        gzip.compress(error(form).encode()), "400 Bad", "text/plain", "content-encoding: gzip\r\n"
    ),
    "error in two pieces": lambda form: slowly(cut(response(error(form), "400 Bad"), form)),
    "error in two chunks, and trailers": lambda form: slowly(chunked(form)),
    "refused key": lambda form: response(error(form), "404 Not Found"),
}
HEADERS: dict[str, Place] = {
    "value": lambda form: response(error("!"), "400 Bad", head=f"x-a: got {form}!\r\n"),
    "cookie": lambda form: response(error("!"), "400 Bad", head=f"set-cookie: a={form}\r\n"),
    "value of an answer": lambda form: response(whole("!"), head=f"x-a: got {form}!\r\n"),
    "reason": lambda form: response(error("!"), f"400 {form}"),
    "reason of an answer": lambda form: response(whole("!"), f"200 {form}"),
}
NAMES: dict[str, Place] = {
    "name": lambda form: response(error("!"), "400 Bad", head=f"{form}: 1\r\n"),
    "name of an answer": lambda form: response(whole("!"), head=f"x-{form.title()}: 1\r\n"),
}
ANSWERS: dict[str, Place] = {
    "text": lambda form: stream(START % "m", DELTA % form, STOP),
    "text in two pieces": lambda form: slowly(cut(stream(START % "m", DELTA % form, STOP), form)),
    "id": lambda form: stream(START % form, DELTA % "!", STOP),
    "ping": lambda form: stream(
        START % "m", f'event: ping\ndata: {{"type":"ping","x":"{form}"}}\n\n', DELTA % "!", STOP
    ),
    "event without a name": lambda form: stream(
        START % "m", DELTA % "!", f"data: {error(form)}\n\n", STOP
    ),
    "event of an unknown name": lambda form: stream(
        START % "m", DELTA % "!", f'event: debug\ndata: {{"x":"{form}"}}\n\n', STOP
    ),
    "error event": lambda form: stream(
        START % "m", DELTA % "!", f"event: error\ndata: {error(form)}\n\n"
    ),
    "type of an error event": lambda form: stream(
        START % "m",
        DELTA % "!",
        f'event: error\ndata: {{"type":"error","error":{{"type":"{form}","message":"!"}}}}\n\n',
    ),
    "type of a first event": lambda form: stream(
        f'event: error\ndata: {{"type":"error","error":{{"type":"{form}","message":"!"}}}}\n\n'
    ),
    "reason to stop": lambda form: stream(START % "m", DELTA % "!", STOP.replace("end_turn", form)),
    "first event": lambda form: stream(f"event: error\ndata: {error(form)}\n\n"),
    "comment": lambda form: stream(START % "m", f": {form}\n\n", DELTA % "!", STOP),
    "end": lambda form: stream(START % "m", DELTA % "!", STOP, f": {form}\n\n"),
    "whole answer": lambda form: response(whole(form)),
    "error with status 200": lambda form: response(error(form)),
}
CHATS: dict[str, Place] = {
    "chat": lambda form: stream(CHAT % ("c", form), CHAT_STOP),
    "chat id": lambda form: stream(CHAT % (form, "!"), CHAT_STOP),
    "chat error": lambda form: stream(
        CHAT % ("c", "!"), f'data: {{"error":{{"message":"{form}"}}}}\n\n'
    ),
    "whole chat": lambda form: response(chat(form)),
    "chat error with status 200": lambda form: response(f'{{"error":{{"message":"{form}"}}}}'),
}


def profile(url: str, ledger: str) -> str:
    return json.dumps(
        {
            "providers": {
                "anthropic": {"base_url": url, "auth": "pool"},
                "zai": {"base_url": url, "auth": "bearer", "api_key": "${ZAI_API_KEY}"},
                "chat": {
                    "base_url": url,
                    "api": "openai",
                    "auth": "x-api-key",
                    "api_key": CHAT_KEY,
                },
            },
            "models": {"glm": "zai/glm-5", "gpt": "chat/gpt-x", "claude-*": "anthropic/claude-*"},
            "pool": {"tokens": [POOL]},
            "ledger": ledger,
        }
    )


class Lab:
    def __init__(self, web: mitmweb.Web, upstream: raw_upstream.RawUpstream, folder: Path) -> None:
        self.web = web
        self.proxy = web.proxy
        self.upstream = upstream
        self.folder = folder

    def ask(self, model: str, place: Place, disguise: Callable[[str], str], **fields: Any) -> str:
        """What the client gets, headers too."""
        credentials: list[str] = []

        def answer(credential: str) -> bytes | Iterable[bytes]:
            credentials.append(credential)
            return place(disguise(credential))

        self.upstream.answer = answer
        headers = {"x-litellm-api-key": STATIC}
        with self.proxy.client(headers=headers) as client:
            client.headers["x-api-key"] = CLIENT_KEY
            got = client.post("/v1/messages", json=proxies.message(model, **fields))
        assert credentials[0] == OURS[model]
        head = f"{got.status_code} {got.reason_phrase}\n" + "\n".join(
            f"{name}: {value}" for name, value in got.headers.items()
        )
        return f"{head}\n\n{got.text}"

    def raw(self, data: bytes, *, port: int | None = None, pause: bytes = b"") -> bytes:
        port = port or self.proxy.reverse_port
        with socket.create_connection(("127.0.0.1", port), proxies.PATIENCE) as client:
            client.sendall(data)
            if pause:
                time.sleep(0.5)
                client.sendall(pause)
            client.settimeout(2)
            got = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while piece := client.recv(65536):
                    got += piece
            return got


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("places")
    started: list[proxies.Proxy] = []

    def start(text: str, **arguments: Any) -> proxies.Proxy:
        (folder / "proxy").mkdir()
        made = proxies.Proxy(folder / "proxy", text, behind=upstream.url, **arguments)
        started.append(made)
        return made

    with raw_upstream.running() as upstream, simulator.Simulator(tls=True) as anthropic:
        web = mitmweb.Web(
            start,
            profile(upstream.url, f"sqlite:///{folder / 'ledger.db'}"),
            keep_bodies="200",
            save_stream_file=str(folder / "stream.flows"),
            hardump=str(folder / "all.har"),
            flow_detail="4",
            termlog_verbosity="debug",
            show_all="true",
            environ={"PROXY_STATIC_TOKEN": STATIC, "ZAI_API_KEY": ZAI_KEY},
            arguments=proxies.anthropic_here(anthropic.port, folder),
        )
        yield Lab(web, upstream, folder)
        for each in started:
            each.close()


def hidden(shown: str, secret: str) -> None:
    assert traces.of([secret], shown.encode()) == [], shown


@pytest.mark.parametrize("model", OURS)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_errors(lab: Lab, model: str, disguise: str) -> None:
    for place in ERRORS.values():
        shown = lab.ask(model, place, DISGUISES[disguise])
        assert shown.startswith(("4", "5"))
        hidden(shown, OURS[model])


@pytest.mark.parametrize("model", OURS)
@pytest.mark.parametrize("disguise", ["plain", "URL", "Base64", "hexadecimal"])
def test_headers(lab: Lab, model: str, disguise: str) -> None:
    places = HEADERS if model == "glm" or disguise != "plain" else HEADERS | NAMES
    for place in places.values():
        hidden(lab.ask(model, place, DISGUISES[disguise]), OURS[model])


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("model", OURS)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_answers(lab: Lab, model: str, disguise: str, is_stream: bool) -> None:
    for name, place in (CHATS if model == "gpt" else ANSWERS).items():
        if name in ("text", "text in two pieces", "chat") and disguise not in (
            *("plain", "JSON", "one character in JSON", "slashes in JSON"),
        ):
            continue  # the model's own words: only what reads as the credential is taken out
        hidden(lab.ask(model, place, DISGUISES[disguise], stream=is_stream), OURS[model])


def test_an_answer_without_an_echo_is_unchanged(lab: Lab) -> None:
    sent = START % "m" + DELTA % "caf\\u00e9 100 %25 [redacted]" + STOP
    shown = lab.ask("claude-x", lambda form: stream(sent), str, stream=True)
    assert shown.partition("\n\n")[2] == sent


def test_a_body_that_passes_with_upgrade(lab: Lab) -> None:
    lab.upstream.answer = lambda credential: response(f'{{"access_token":"{REFRESH}"}}')
    body = json.dumps({"refresh_token": REFRESH}).encode()
    for upgrade in ("h2c", "websocket", "TLS/1.0, HTTP/2.0"):
        head = (
            f"POST /v1/oauth/token HTTP/1.1\r\nhost: x\r\nx-litellm-api-key: {STATIC}\r\n"
            f"connection: upgrade, close\r\nupgrade: {upgrade}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        assert REFRESH.encode() in lab.raw(head.encode() + body)
        assert lab.upstream.requests[-1].body == body


def test_messages_of_a_websocket(lab: Lab) -> None:
    frame = b"\x81" + bytes([len(MESSAGE)]) + MESSAGE.encode()
    lab.upstream.answer = lambda credential: (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        + frame
        + b"\x89\x05"
        + MESSAGE[:5].encode()
    )
    head = (
        f"GET /api/ws/voice HTTP/1.1\r\nhost: x\r\nx-litellm-api-key: {STATIC}\r\nupgrade: websocket\r\n"
        "connection: upgrade\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    masked = b"\x81" + bytes([0x80 | len(MESSAGE)]) + bytes(4) + MESSAGE.encode()
    assert frame in lab.raw(head.encode(), pause=masked)


def test_a_head_in_two_pieces(lab: Lab) -> None:
    lab.upstream.answer = lambda credential: response(whole("!"))
    body = json.dumps(proxies.message("glm")).encode()
    first = f"POST /v1/messages HTTP/1.1\r\nx-litellm-api-key: {STATIC}\r\nx-api-key: {SPLIT}\r\n"
    second = f"host: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    assert b" 200 " in lab.raw(first.encode(), pause=second)
    # One that never comes to its end, and one that can't be read.
    lab.raw(first.encode())
    lab.raw(f"{first}x-api-key {SPLIT}\r\n\r\n".encode())


@pytest.mark.parametrize("first", [b"P", b"\r\n", b"\0", b"\x16\x03"])
def test_what_is_no_request_in_an_opened_tunnel(lab: Lab, first: bytes) -> None:
    password = base64.b64encode(f"me:{STATIC}".encode()).decode()
    connect = (
        f"CONNECT api.anthropic.com:443 HTTP/1.1\r\nproxy-authorization: Basic {password}\r\n"
        f"x-api-key: {PROXY_USER}\r\n\r\n"
    )
    context = httpx.create_ssl_context(verify=False)
    with socket.create_connection(("127.0.0.1", lab.proxy.proxy_port), proxies.PATIENCE) as plain:
        plain.sendall(connect.encode())
        assert b" 200 " in plain.recv(65536)
        with context.wrap_socket(plain, server_hostname="api.anthropic.com") as tunnel:
            tunnel.sendall(first)
            time.sleep(0.5)
            body = json.dumps(proxies.message("claude-x")).encode()
            request = (
                f"POST /v1/messages HTTP/1.1\r\nhost: api.anthropic.com\r\nauthorization: Bearer {RAW}\r\n"
                f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            ).encode()
            tunnel.sendall(request[len(first) if first == b"P" else 0 :] + body)
            tunnel.settimeout(2)
            with contextlib.suppress(OSError):
                while tunnel.recv(65536):
                    pass


def test_a_credential_in_a_conversation(lab: Lab) -> None:
    """The provider gets what the client sent; people don't see it."""
    lab.upstream.answer = lambda credential: response(whole("!"))
    text = f"my .env has {POOL} and {escaped(ZAI_KEY)}"
    with lab.proxy.client(headers={"x-litellm-api-key": STATIC, "x-api-key": CLIENT_KEY}) as client:
        sent = client.post(f"/v1/messages?key={CLIENT_KEY}", json=proxies.message("claude-x", text))
        assert sent.status_code == 200
        packed = gzip.compress(json.dumps(proxies.message("claude-x", text)).encode())
        client.post("/v1/messages", content=packed, headers={"content-encoding": "gzip"})
    assert POOL.encode() in lab.upstream.requests[-2].body


def test_a_credential_in_the_name_of_a_file(lab: Lab) -> None:
    head = f'content-disposition: attachment; filename="{CLIENT_KEY}.json"\r\n'
    lab.upstream.answer = lambda credential: response(whole("!"), head=head)
    with lab.proxy.client(headers={"x-litellm-api-key": STATIC, "x-api-key": CLIENT_KEY}) as client:
        got = client.post("/v1/messages", json=proxies.message("claude-x"))
    assert CLIENT_KEY in got.headers["content-disposition"]


def shown(web: mitmweb.Web) -> Iterator[tuple[str, bytes]]:
    def got(path: str) -> bytes:
        answer = web.api.get(path).raise_for_status()
        return repr(answer.headers.raw).encode() + answer.content

    for path in ("/flows", "/flows/dump", "/events", "/state", "/options", "/status"):
        yield path.removeprefix("/"), got(path)
    for flow in web.flows():
        path = f"/flows/{flow['id']}"
        if "messages_meta" in {**flow, **(flow.get("websocket") or {})}:
            yield f"{path} messages", got(f"{path}/messages/content/raw")
        if (flow.get("response") or {}).get("contentLength"):
            for view in ("content.data", "content/auto", "content/hex dump"):
                yield f"{path} {view}", got(f"{path}/response/{view}")


def test_zz_nothing_of_all_this_is_shown_or_written(lab: Lab) -> None:
    """The last test: what all others have left."""
    web = lab.web
    export = lab.folder / "export"
    export.mkdir()
    for number, flow in enumerate(web.flows()):
        for form in ("raw", "curl") if number % 4 == 0 else ():
            with contextlib.suppress(AssertionError):  # some have nothing to export
                web.command("export.file", form, f"@{flow['id']}", str(export / f"{form}-{number}"))
    web.command("save.file", "@all", str(lab.folder / "all.flows"))
    columns = "request.path,request.content,response.content"
    web.command("cut.save", "@all", columns, str(lab.folder / "cut"))
    sinks = dict(shown(web))
    sinks |= dict(shown_pages.of(web.api, every=40))
    with lab.proxy.client(headers={"x-litellm-api-key": STATIC}) as client:
        sinks |= dict(shown_pages.of(client, every=40))
        sinks["/metrics"] = client.get("/metrics").raise_for_status().content
    process = lab.proxy.process.pid
    sinks["command line"] = Path(f"/proc/{process}/cmdline").read_bytes()
    lab.proxy.close()
    for file in lab.folder.rglob("*"):
        if file.is_file() and file.suffix != ".pem" and file.name != "profile.yaml":
            sinks[str(file.relative_to(lab.folder))] = file.read_bytes()
    assert len(sinks) > 1000
    assert {"stream.flows", "all.har", "all.flows", "cut", "proxy/log.txt"} <= sinks.keys()
    assert b"[redacted]" in sinks["all.har"]
    assert b"bytes, which the proxy does not keep" in sinks["all.flows"]
    found = [(name, *trace) for name, data in sinks.items() for trace in traces.of(SECRETS, data)]
    assert found == []
    assert "Traceback" not in lab.proxy.log
