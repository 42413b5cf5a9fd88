"""`claude-route import`: translates a LiteLLM config to a profile, with comments on what differs."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel import yaml
from ruamel.yaml import scalarstring

from claude_route.profile import files
from claude_route.profile import litellm
from claude_route.profile import litellm_ignored
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.profile import values

METRICS = "others learn of requests by /metrics, /usage and the profile's `otlp`"
PRICES = "`prices` has what a target costs, in dollars per million tokens"
STORE = "`store` names a Redis that several instances share"

NOTES = {
    "": {"include": "other files are not read: put their entries into one file"},
    "general_settings": {
        "master_key": "clients present PROXY_STATIC_TOKEN, where they present LiteLLM's key: set it to "
        "this key, and clients need no change",
        "custom_auth": "clients present PROXY_STATIC_TOKEN",
        "store_model_in_db": "models in LiteLLM's database are not read",
        "database_url": "usage is kept in the profile's `ledger`, in a database of its own",
        "allow_requests_on_db_unavailable": "no request waits for the ledger",
    },
    "litellm_settings": {
        "master_key": "clients present PROXY_STATIC_TOKEN",
        "callbacks": "tokens, headers and thinking blocks need none",
        "modify_params": "tokens, headers and thinking blocks need none",
        "turn_off_message_logging": "nothing of what was said is logged, or in the ledger",
        "disable_spend_logs": "usage is kept without any content; `ledger: off` keeps none",
        "drop_params": "fields that a provider refuses are dropped; add more with its `drop`",
        "max_budget": "a client has a `budget`",
        "budget_duration": "a client has a `budget`",
        "success_callback": METRICS,
        "failure_callback": METRICS,
        "num_retries": "no target is tried twice; max_attempts counts targets and tokens",
        "request_timeout": "a provider has first_byte_timeout and idle_timeout, in seconds",
        "context_window_fallbacks": "a request that is too long is refused and not sent elsewhere",
        "default_fallbacks": 'write it as `"*": [MODEL]` under fallbacks',
    },
    "router_settings": {
        "num_retries": "no target is tried twice; max_attempts counts targets and tokens",
        "routing_strategy": "the first entry of a name answers, its others are fallbacks; "
        "pool.strategy is for Claude's tokens",
        "redis_host": STORE,
        "redis_url": STORE,
        "timeout": "a provider has first_byte_timeout and idle_timeout, in seconds",
        "cooldown_time": "a target that failed three times running is skipped for 30 s; "
        "pool.cooldown is for Claude's tokens",
    },
    "model_list[]": {
        "model_info": f"a provider's `context` and `supports` say what a model can do, {PRICES}"
    },
    "model_list[].litellm_params": {
        "timeout": "a provider has first_byte_timeout and idle_timeout, in seconds",
        "stream_timeout": "a provider has first_byte_timeout and idle_timeout, in seconds",
        "max_tokens": "a provider has `set: {max_tokens: …}`",
        "temperature": "a provider has `set: {temperature: …}`",
        "rpm": "a client has requests_per_minute, a model has no limit of its own",
        "tpm": "a client has tokens_per_day, a model has no limit of its own",
        "input_cost_per_token": PRICES,
        "output_cost_per_token": PRICES,
        "merge_reasoning_content_in_choices": "thinking is sent as thinking blocks; see a provider's "
        "`thinking`",
    },
}
"""What replaces each setting that is dropped: section -> key -> text."""

PLAIN = re.compile(r"[A-Za-z$](?:[\w.{}/*$-]|:(?=\S))*")
"""Strings that need no quotes in any version of YAML, except for WORDS."""

WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

SECTIONS = ("providers", "models", "fallbacks", "pool")


def profile_text(path: Path, environ: Mapping[str, str]) -> str:
    """The YAML of a profile that does what a LiteLLM config does with these variables.

    Raises:
        ValueError: it isn't a LiteLLM config, or an invalid one.
    """
    text = files.read_text(path)
    profile = profiles.parse(text, environ, str(path))
    config = profiles.document(text, environ)
    if not litellm.is_config(config.raw):
        raise ValueError(f"{path}: expected a LiteLLM config, which has a model_list")
    translation = litellm.translate(config)
    raw, left_out = translation.profile, translation.left_out
    sections = {name: _plain(raw[name]) for name in SECTIONS if raw.get(name)}
    comments = [f"From LiteLLM's {path.name}.", *_comments(config, translation, profile)]
    # A name in the file may contain line breaks, and the text after one would not be a comment.
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    yaml_text = "\n".join([*lines, _dump(sections)])
    reread = profiles.parse(yaml_text, environ, str(path))
    reread = dataclasses.replace(reread, left_out=patterns.Table(left_out), warnings=())
    if reread != dataclasses.replace(profile, warnings=()):
        raise ValueError(f"{path}: the profile would not mean the same; use the config as it is")
    return yaml_text.rstrip()


def _comments(
    config: values.Value, translation: litellm.Translation, profile: profiles.Profile
) -> Iterator[str]:
    dropped = litellm_ignored.ignored(config)
    said_below = {*litellm_ignored.summary(dropped), *litellm_ignored.unguarded(config)}
    yield from (warning for warning in translation.warnings if warning not in said_below)
    for name in translation.left_out:
        if match := profile.models.find(name):
            yield f"Requests for {name} go to {match[0]} with this profile, because a pattern matches."
    for name, count in Counter(translation.taken).items():
        if count > 1:
            yield f"{name}: the first of its {count} entries answers, the others are its fallbacks."
    for entry in config["model_list"].items():
        yield from _variables(entry["litellm_params"])
    for setting in dropped:
        section, _, key = setting.name.rpartition(".")
        if section == "" and isinstance(setting.value.raw, dict):
            for inner, at in setting.value.mapping().items():
                yield _dropped(at.path, key, inner)
        else:
            yield _dropped(setting.value.path, section, key)


def _variables(params: values.Value) -> Iterator[str]:
    """Comments on an entry's variables whose current values are written into the profile."""
    for key in ("model", "api_base", "base_url"):
        at = params[key]
        name = str(at.raw).removeprefix("os.environ/")
        if at.raw != name and params.environ.get(name):
            yield f"{at.path}: this is the current value of {name}."


def _dropped(path: str, section: str, key: str) -> str:
    note = NOTES.get(section, {}).get(key)
    return f"{path} is dropped: {note}." if note else f"{path} is dropped."


def _plain(value: Any) -> Any:
    """The value to write as YAML, with variables by name."""
    if isinstance(value, values.Value):
        return _plain(value.raw)
    if isinstance(value, dict):
        plain = {_quoted(name): _plain(inner) for name, inner in value.items()}
        return {name: inner for name, inner in plain.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _quoted(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    quoted: str = scalarstring.DoubleQuotedScalarString(text)
    return quoted


def _dump(value: Any) -> str:
    writer = yaml.YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 10_000  # break no lines
    out = StringIO()
    writer.dump(value, out)
    return out.getvalue()
