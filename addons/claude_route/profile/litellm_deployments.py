"""The entries of a LiteLLM config's `model_list`, which LiteLLM calls deployments: where each leads, and with which
credential.

https://docs.litellm.ai/docs/proxy/configs
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from claude_route.profile import litellm_apis
from claude_route.profile import values

KEY_HEADERS = ("authorization", "x-api-key")
"""The headers in which Messages providers expect a key. Some accept either, so configs repeat it."""


class Deployment(NamedTuple):
    """An entry of `model_list`, which LiteLLM calls a deployment."""

    name: str
    prefix: str
    model: str
    """The provider's name for it."""
    base_url: values.Value
    """Without the endings of its style; unchanged if it refers to an unset variable."""
    api_key: values.Value
    auth: str | None
    """The profile's `auth`; None if it is the default."""
    params: values.Value

    @property
    def style(self) -> litellm_apis.Style:
        return litellm_apis.PREFIXES[self.prefix].style

    @property
    def host(self) -> str:
        return host_of(self.base_url.raw)

    @property
    def is_anthropic(self) -> bool:
        """Whether this is Anthropic itself: at its own host, or at a gateway if the entry names no other
        credential than Anthropic's, and passes on all of Claude's models."""
        if self.prefix != "anthropic" or self.host == "api.anthropic.com":
            return self.prefix == "anthropic"
        if self.model not in ("*", "claude-*") or self.base_url.unset():
            return False
        key = self.api_key
        return key.raw is None or (not key.unset() and key.text("").startswith("sk-ant-"))

    @property
    def headers(self) -> values.Value:
        """The headers to send besides the credential."""
        headers = self.params["extra_headers"]
        if not isinstance(headers.raw, dict):
            return headers
        others = {
            name: value
            for name, value in headers.raw.items()
            if str(name).lower() not in KEY_HEADERS
        }
        return replace(headers, raw=others or None)

    @property
    def account(self) -> tuple[str, ...]:
        """Identifies a provider: deployments with the same account share one."""
        parts = (self.base_url, self.api_key, self.headers)
        return (self.style.dialect, self.auth or "", *(repr(part.raw) for part in parts))


def read(config: values.Value) -> tuple[list[Deployment], dict[str, str], list[str]]:
    """The entries that we can take, the names that are left without one, and warnings.

    Raises:
        ValueError: an entry is wrong, or none can be taken.
    """
    deployments: list[Deployment] = []
    left_out: dict[str, str] = {}
    warnings = []
    problems = []
    for entry in config["model_list"].items():
        model = entry["litellm_params"]["model"]
        try:
            deployments.append(_deployment(entry))
        except litellm_apis.NotTakenError as e:
            problems.append(model.error(str(e).removeprefix("expected ")))
            name = entry["model_name"].text(expected="a model name")
            why = f"{model.path}: {e}, got {model.text()!r}"
            left_out.setdefault(name, why)
            warnings.append(f"{name} is left out: {why}.")
    if not deployments:
        listed = config["model_list"]
        nothing = listed.error(
            "a list of at least one model", got="an empty list" if listed.raw == [] else None
        )
        raise next(iter(problems), nothing)
    for deployment in deployments:
        left_out.pop(deployment.name, None)
    return deployments, left_out, warnings


def _deployment(entry: values.Value) -> Deployment:
    params = entry["litellm_params"]
    text = params["model"].text(expected="a model name")
    base_url = params["api_base"] if params["base_url"].raw is None else params["base_url"]
    mode = entry["model_info"]["mode"] if isinstance(entry["model_info"].raw, dict) else None
    if mode and mode.raw in litellm_apis.OTHER_MODES:
        raise litellm_apis.NotTakenError("expected a model that answers messages")
    prefix, model = litellm_apis.api_of(
        text, params["custom_llm_provider"].text(""), has_base=base_url.raw is not None
    )
    api = litellm_apis.PREFIXES[prefix]
    name = entry["model_name"].text(expected="a model name")
    if name == text == "*" and base_url.raw is None:
        name = model = "claude-*"  # all other models are other companies'
    key, auth = _credential(params, api.style)
    base_url = base_url.otherwise(api.base_url)
    url = base_url.text(expected="an http(s) URL", unset_is_empty=True).rstrip("/")
    for end in api.style.ends:
        url = url.removesuffix(end).rstrip("/")
    if api.base_url and host_of(url) == host_of(api.base_url):
        if prefix == "gemini":
            url = api.base_url  # LiteLLM's own is Google's native API, at the same host
        if api.variable:
            key = key.otherwise(f"${{{api.variable}}}")
    return Deployment(
        name=name,
        prefix=prefix,
        model=model,
        base_url=replace(base_url, raw=url or base_url.raw),
        api_key=key,
        auth=auth if key.raw is not None else None,
        params=params,
    )


def _credential(params: values.Value, style: litellm_apis.Style) -> tuple[values.Value, str | None]:
    """An entry's credential, and how it is sent. LiteLLM sends `extra_headers` last, so a credential in
    them counts; one that only repeats the key is sent as LiteLLM sends the key."""
    api_key, headers = params["api_key"], params["extra_headers"]
    given = headers.mapping() if isinstance(headers.raw, dict) else {}
    for name, at in given.items():
        header = name.lower()
        if header not in KEY_HEADERS or at.raw is None:
            continue
        text = at.text(expected="a string", secret=True, unset_is_empty=True)
        scheme, _, rest = str(at.raw).strip().partition(" ")
        if not rest:
            secret = at
        elif scheme.lower() == "bearer" and header == "authorization":
            secret = replace(at, raw=rest.strip())
        else:
            raise at.error("a key, or Bearer and a key", got="another form", secret=True)
        if text and secret.raw == api_key.raw:
            continue
        return secret, "bearer" if header == "authorization" else "x-api-key"
    return api_key, style.auth


def host_of(url: str | None) -> str:
    try:
        return urlsplit(url or "").netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
