from __future__ import annotations

from mitmproxy import optmanager
from mitmproxy.test import taddons
from mitmproxy.tools.web import app

from claude_route.patches import mitmweb


def test_options_that_are_not_shown_have_their_default() -> None:
    undo = mitmweb.guard_options(lambda name, value: name != "listen_host")
    try:
        with taddons.context() as tctx:
            tctx.options.update(listen_host="10.0.0.1", http2=False)
            dumped = optmanager.dump_dicts(tctx.options)
    finally:
        undo()
    assert dumped["listen_host"]["value"] == ""
    assert dumped["http2"]["value"] is False


def test_mitmweb_is_left_as_it_was() -> None:
    prepare, dump_dicts = app.RequestHandler.prepare, optmanager.dump_dicts
    undo = [
        mitmweb.guard_requests(lambda handler: None),
        mitmweb.guard_options(lambda name, value: True),
    ]
    assert app.RequestHandler.prepare is not prepare
    assert optmanager.dump_dicts is not dump_dicts
    for each in undo:
        each()
    assert app.RequestHandler.prepare is prepare
    assert optmanager.dump_dicts is dump_dicts
