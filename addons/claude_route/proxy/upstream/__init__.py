"""An HTTP/1.1 client, of which a whole proxy has one: its connections are everybody's.

It knows nothing of mitmproxy, models or attempts. Modules from the bottom up: `timers`, `proxies`, `tls`,
`resolver`, `http1` (one connection), `dial` (new ones), `pool` (idle ones), `answer` (a request that is
under way), `client`. A streamed answer:

    upstream = client.Client()  # in the event loop that it is for
    upstream.keep_warm()
    rules = proxies.rules(os.environ)
    destination = dial.Destination(
        "https", host, 443, proxy=rules.proxy("https", host, 443), credential=upstream.fingerprint(token)
    )
    request = http1.Request(b"POST", b"/v1/messages", [(b"Host", b"..."), (b"Content-Length", b"...")])
    async with upstream.request(destination, request, body, answer.Limits(first_byte=60)) as got:
        response = await got.head()
        async for piece in got:
            ...

The request goes out as `http1.Request` has it: the client adds no header field, but for what a proxy on the
way needs, and changes none. What comes back keeps its order, its case and its bytes; transfer coding,
interim responses and trailers are taken out.

An event that is to be passed on at once, within the read that brought it, goes to `got.direct`, while the
task waits in `got.next()`; `got.wake()` calls the task, and `got.pause()` and `got.resume()` hold the
upstream back. `got.opened.link` says what was connected to, `got.opened.idle` whether it had been kept.

What can go wrong: dial.UnreachableError (an OSError: nothing was sent), ConnectionError (lost, or not
HTTP), TimeoutError (too slow), ValueError (the request can't be sent as it is). Leaving the block early
closes the connection.
"""
