"""What a LiteLLM config has that a profile hasn't: settings that are ignored, and guards that guard nothing here."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from claude_route.profile import values

USED = {
    "": ("model_list", "router_settings", "litellm_settings"),
    "router_settings": ("fallbacks", "model_group_alias"),
    "litellm_settings": ("fallbacks",),
    "model_list[]": ("model_name", "litellm_params"),
    "model_list[].litellm_params": (
        *("model", "custom_llm_provider", "api_base", "base_url", "api_key", "extra_headers"),
    ),
}


class Ignored(NamedTuple):
    """A LiteLLM setting that has no equivalent."""

    name: str
    """Its key path without list indexes: `model_list[].litellm_params.timeout`."""
    value: values.Value


def unguarded(config: values.Value) -> Iterator[str]:
    """What guarded LiteLLM's proxy, and doesn't guard this one."""
    guards = [
        config[section][key]
        for section, key in (
            ("general_settings", "master_key"),
            ("litellm_settings", "master_key"),
            ("general_settings", "custom_auth"),
        )
        if config[section][key].raw is not None
    ]
    if guards:
        names = " and ".join(guard.path for guard in guards)
        is_one = len(guards) == 1
        yield f"{names} {'guards' if is_one else 'guard'} nothing here: " + (
            "clients present PROXY_STATIC_TOKEN."
            if config.environ.get("PROXY_STATIC_TOKEN")
            else "without PROXY_STATIC_TOKEN, every program on this machine may use this proxy."
        )


def summary(settings: Iterable[Ignored]) -> list[str]:
    """One warning about all of them; empty if there are none."""
    names = dict.fromkeys(setting.name for setting in settings)
    return [f"Ignored LiteLLM settings: {', '.join(names)}."] if names else []


def ignored(config: values.Value) -> list[Ignored]:
    """The keys of a config that have no equivalent, in the order of the file."""
    places = [("", config)]
    places += [(section, config[section]) for section in ("router_settings", "litellm_settings")]
    for entry in config["model_list"].items():
        places.append(("model_list[]", entry))
        places.append(("model_list[].litellm_params", entry["litellm_params"]))
    return [
        Ignored(f"{place}.{key}".removeprefix("."), at)
        for place, value in places
        for key, at in value.mapping().items()
        if key not in USED[place]
    ]
