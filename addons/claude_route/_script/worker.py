"""The script for each worker of `claude-route up --workers`."""

import os

from claude_route import app
from claude_route import draining
from claude_route.cli import worker

_all = app.addons(worker.place(os.environ))
_stop = next(each.stop for each in _all if isinstance(each, draining.Draining))

addons = [*_all, worker.Worker(_stop)]
