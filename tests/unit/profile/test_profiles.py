"""YAML and environment -> Profile; the files in profiles/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from claude_route.profile import pools
from claude_route.profile import profiles
from claude_route.profile import yaml_loader
from tests import paths

FOLDER = paths.ROOT / "profiles"

ENVIRON = {
    "CLAUDE_OAUTH_TOKENS": "sk-ant-oat01-aaaa, sk-ant-oat01-bbbb",
    "CLAUDE_TOKEN_MODE": "passthrough",
    "ZAI_API_KEY": "zai-secret",
    "KIMI_API_KEY": "kimi-secret",
    "OPENROUTER_API_KEY": "openrouter-secret",
}

PROVIDERS = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai/api/anthropic, api_key: zai-secret}
  kimi: {base_url: https://api.kimi.com/coding, api_key: "${KIMI_API_KEY}"}
"""

MODELS = """
models:
  glm: zai/glm-5
  glm-*: zai/glm-*
  kimi: kimi/kimi-for-coding
  free: zai/qwen/qwen3.6-plus:free
  anthropic/*: anthropic/*
  claude-*: anthropic/claude-*
  claude-haiku-*: zai/glm-5-air
  "*/*-*": zai/*--*
"""


def parse(text: str, **environ: str) -> profiles.Profile:
    return profiles.parse(text, environ, "profiles/p.yaml")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("environ", [{}, ENVIRON], ids=["bare", "set"])
def test_every_profile_of_ours_is_right(path: Path, environ: dict[str, str]) -> None:
    profile = profiles.read(path, environ)
    assert profile.name == path.stem
    if environ:
        assert {provider.missing for provider in profile.providers.values()} == {()}


def test_the_default_profile_without_an_environment() -> None:
    profile = profiles.read(FOLDER / "default.yaml", {})
    claude = profile.target("claude-opus-5-5")
    assert claude
    assert (str(claude), claude.provider.auth) == ("anthropic/claude-opus-5-5", "pool")
    assert profile.pool == pools.Pool((), "rotate", "session", 60)
    assert profile.fallback_targets("claude-opus-5-5") == ()
    assert profile.intercept == ("api.anthropic.com",)
    assert (profile.max_attempts, profile.open) == (4, False)
    assert profile.warnings == (
        "Provider zai cannot be used: ZAI_API_KEY is not set.",
        "Provider kimi cannot be used: KIMI_API_KEY is not set.",
        "Provider openrouter cannot be used: OPENROUTER_API_KEY is not set.",
    )


def test_the_default_profile_with_everything_set() -> None:
    profile = profiles.read(FOLDER / "default.yaml", ENVIRON)
    assert profile.pool.tokens == ("sk-ant-oat01-aaaa", "sk-ant-oat01-bbbb")
    assert profile.pool.mode == "passthrough"
    assert profile.warnings == ()
    assert {name: provider.auth for name, provider in profile.providers.items()} == {
        "anthropic": "pool",
        "zai": "bearer",
        "kimi": "x-api-key",
        "openrouter": "bearer",
    }
    openrouter = profile.providers["openrouter"]
    assert openrouter.api == "openai"
    assert openrouter.set == {"max_tokens": 32000}
    assert profile.listed_models() == ["glm", "glm-fast", "kimi", "openrouter"]
    assert [str(each) for each in profile.fallback_targets("claude-haiku-4")] == ["zai/glm-5-air"]
    assert [str(each) for each in profile.fallback_targets("anthropic/claude-x")] == ["zai/glm-5"]
    assert not any(secret in repr(profile) for secret in ("-secret", "aaaa"))


@pytest.mark.parametrize("name", ["default", "team"])
def test_anthropic_and_three_others(name: str) -> None:
    profile = profiles.read(FOLDER / f"{name}.yaml", ENVIRON)
    assert list(profile.providers) == ["anthropic", "zai", "kimi", "openrouter"]


def test_the_local_profile_needs_no_key() -> None:
    profile = profiles.read(FOLDER / "local.yaml", {})
    assert {provider.auth for provider in profile.providers.values()} == {"none"}
    assert str(profile.target("claude-haiku-4")) == "ollama/qwen3-coder"
    profile = profiles.read(FOLDER / "local.yaml", {"LOCAL_MODEL": "vllm/Qwen/Qwen3-Coder"})
    assert str(profile.target("claude-haiku-4")) == "vllm/Qwen/Qwen3-Coder"
    with pytest.raises(ValueError, match=r"models\.claude-\*: expected one of the providers olla"):
        profiles.read(FOLDER / "local.yaml", {"LOCAL_MODEL": "vlm/x"})


@pytest.mark.parametrize(
    "model, target",
    [
        ("glm", "zai/glm-5"),
        ("glm-4.7", "zai/glm-4.7"),
        ("kimi", "kimi/kimi-for-coding"),
        ("free", "zai/qwen/qwen3.6-plus:free"),
        ("claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("claude-opus-5-5[1m]", "anthropic/claude-opus-5-5"),
        ("claude-haiku-4-5", "zai/glm-5-air"),
        ("anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("anthropic/", None),
        ("a/b-c-d", "zai/a--b"),
        ("gpt-5", None),
        ("", None),
        ("GLM", None),
        ("claude-\ud83e\n", "anthropic/claude-\ud83e\n"),
    ],
)
def test_target(model: str, target: str | None) -> None:
    profile = parse(PROVIDERS + MODELS)
    found = profile.target(model)
    assert (found and str(found)) == target


def test_exact_names_are_found_as_they_are() -> None:
    profile = parse(PROVIDERS + MODELS)
    assert profile.target("glm") is profile.target("glm")


@pytest.mark.parametrize(
    "rules, model, targets",
    [
        ("claude-*: [glm, kimi]", "claude-x", ["zai/glm-5", "kimi/kimi-for-coding"]),
        ("claude-*: [glm]\n  claude-x: [kimi]", "claude-x", ["kimi/kimi-for-coding"]),
        ("claude-*: []", "claude-x", []),
        ("claude-*: [glm-*]", "claude-x", ["zai/glm-x"]),
        ("claude-*: [anthropic/claude-*, glm]", "claude-x", ["zai/glm-5"]),
        ("claude-*: [glm, glm]", "claude-x", ["zai/glm-5"]),
        ("glm: [kimi]", "claude-x", []),
        ("claude-*: [a/b-*]", "claude-x", ["zai/a--b"]),
        ("'*': [glm]", "gpt-5", ["zai/glm-5"]),
    ],
)
def test_fallback_targets(rules: str, model: str, targets: list[str]) -> None:
    profile = parse(f"{PROVIDERS}{MODELS}\nfallbacks:\n  {rules}", KIMI_API_KEY="k")
    assert [str(target) for target in profile.fallback_targets(model)] == targets


def test_an_unusable_fallback_is_passed_over() -> None:
    profile = parse(f"{PROVIDERS}{MODELS}\nfallbacks: {{claude-*: [kimi, glm]}}")
    assert [str(target) for target in profile.fallback_targets("claude-x")] == ["zai/glm-5"]
    kimi = profile.target("kimi")
    assert kimi
    assert kimi.provider.missing == ("KIMI_API_KEY",)


CLAUDE = "anthropic/claude-sonnet-5-5"


def test_the_rest_of_a_profile() -> None:
    profile = parse(
        f"{PROVIDERS}{MODELS}\n"
        "pool: {mode: Rotate, strategy: least-used, cooldown: '${COOLDOWN:-30}'}\n"
        "intercept: [API.anthropic.com, '${GATEWAY}', '::1']\n"
        "max_attempts: ${ATTEMPTS:-2}\n"
        "open: ${OPEN:-true}\n"
        "upstream_proxy: http://me:hunter2@proxy:3128\n"
        "otlp: http://me:hunter3@127.0.0.1:4318\n",
        GATEWAY="gateway.corp",
        COOLDOWN="0.5",
    )
    assert profile.pool == pools.Pool((), "rotate", "least-used", 0.5)
    assert profile.intercept == ("api.anthropic.com", "gateway.corp", "::1")
    assert (profile.max_attempts, profile.open) == (2, True)
    assert profile.upstream_proxy == "http://me:hunter2@proxy:3128"
    assert profile.otlp == "http://me:hunter3@127.0.0.1:4318"
    assert "hunter" not in repr(profile)
    assert (profile.name, profile.path) == ("p", Path("profiles/p.yaml"))


def test_warnings() -> None:
    profile = parse(
        "providers:\n"
        "  anthropic: {base_url: 'https://x', api_key: sk-ant-1, auth: client}\n"
        "  kimi: {base_url: 'https://${H}', api_key: '${K}'}\n"
        "models: {claude-*: anthropic/*}\n"
        "pool: {tokens: ['${MISSPELT}', '${LATER:-}']}\n"
        "fallbacks: {opus: [claude-3], claude-opus: [claude-3], 'x*': [claude-3]}\n"
    )
    assert profile.warnings == (
        "Provider anthropic has an api_key that auth: client does not use.",
        "Provider kimi cannot be used: H and K are not set.",
        "pool.tokens: ${MISSPELT} is not set.",
        "fallbacks.opus is never used: no model has this name.",
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "providers: expected at least one provider, got nothing"),
        ("- a", "p.yaml: expected a mapping, got a list"),
        ("text", "p.yaml: expected a mapping, got a string"),
        ("providers: {}", "providers: expected at least one provider, got a mapping"),
        ("providers: [zai]", "providers: expected a mapping, got a list"),
        ("providers: {zai: https://x}", "providers.zai: expected a mapping, got a string"),
        (PROVIDERS, "models: expected at least one model, got nothing"),
        (PROVIDERS + "models:", "models: expected at least one model, got nothing"),
        (PROVIDERS + "models: {1: zai/x}", "models.1: expected a string, got 1"),
        (PROVIDERS + "models: {true: zai/x}", "models.True: expected a string, got True"),
        (
            PROVIDERS + "models: {glm: zia/glm-5}",
            "models.glm: expected one of the providers anthropic, zai, kimi, got 'zia/glm-5'",
        ),
        (
            PROVIDERS + "models: {glm: glm-5}",
            "models.glm: expected one of the providers anthropic, zai, kimi, got 'glm-5'",
        ),
        (
            PROVIDERS + "models: {glm: zai/}",
            "models.glm: expected zai/ followed by a model name, got 'zai/'",
        ),
        (
            PROVIDERS + "models: {glm: zai/*}",
            "models.glm: expected no more `*` than in 'glm', got 'zai/*'",
        ),
        (PROVIDERS + "models: {glm: 5}", "models.glm: expected provider/model, got 5"),
        (
            PROVIDERS + "models: {glm: '${GLM}'}",
            "models.glm: ${GLM} is not set",
        ),
        (
            PROVIDERS + MODELS + "fallbacks: {claude-*: [nope]}",
            "fallbacks.claude-*[0]: expected one of the models glm, glm-*, kimi, free, anthropic/*",
        ),
        (
            PROVIDERS + MODELS + "fallbacks: {claude-*: [glm, 'x-*']}",
            "fallbacks.claude-*[1]: expected one of the models glm, glm-*, kimi, free, anthropic/*",
        ),
        (
            PROVIDERS + MODELS + "fallbacks: {claude-*: ['glm-*-*']}",
            "fallbacks.claude-*[0]: expected no more `*` than in 'claude-*', got 'glm-*-*'",
        ),
        (
            PROVIDERS + MODELS + "fallbacks: {claude-*: glm}",
            "fallbacks.claude-*: expected a list of models, got 'glm'",
        ),
        (
            PROVIDERS + MODELS + "fallbacks: {claude-*: [[glm]]}",
            "fallbacks.claude-*[0]: expected a model name, got a list",
        ),
        (
            PROVIDERS + MODELS + "safeguards: {classifier: nope}",
            "safeguards.classifier: expected off, or one of the models glm, glm-*, kimi, free",
        ),
        (
            PROVIDERS + MODELS + "safeguards: {classifier: 'claude-*'}",
            "safeguards.classifier: expected off, or one of the models glm, glm-*, kimi, free",
        ),
        (
            PROVIDERS + MODELS + "safeguards: {classifier: 3}",
            "safeguards.classifier: expected a model name, or off, got 3",
        ),
        (
            PROVIDERS + MODELS + "safeguards: {model: glm}",
            "safeguards.model: expected one of the keys classifier, got 'model'",
        ),
        (
            PROVIDERS + MODELS + "pool: {coldown: 3}",
            "pool.coldown: expected one of the keys tokens, mode, strategy, spread, cooldown, got 'coldown'",
        ),
        (
            PROVIDERS + MODELS + "pool: {mode: rotat}",
            "pool.mode: expected rotate or passthrough, got 'rotat'",
        ),
        (
            PROVIDERS + MODELS + "pool: {mode: '${M:-rotat}'}",
            "pool.mode: expected rotate or passthrough, got 'rotat' from ${M:-rotat}",
        ),
        (
            PROVIDERS + MODELS + "pool: {spread: agents}",
            "pool.spread: expected session or agent, got 'agents'",
        ),
        (
            PROVIDERS + MODELS + "pool: {strategy: Session}",
            "pool.strategy: expected session, round-robin or least-used, got 'Session'",
        ),
        (
            PROVIDERS + MODELS + "pool: {cooldown: -1}",
            "pool.cooldown: expected a number of seconds, got -1",
        ),
        (
            PROVIDERS + MODELS + "pool: {tokens: 123456}",
            "pool.tokens: expected tokens separated by commas, got a value of type int",
        ),
        (
            PROVIDERS + MODELS + "pool: {tokens: [a, 'hunter 2']}",
            "pool.tokens[1]: expected tokens with only visible ASCII characters, got a string",
        ),
        (
            PROVIDERS + MODELS + "intercept: api.anthropic.com",
            "intercept: expected a list of host names, got 'api.anthropic.com'",
        ),
        (
            PROVIDERS + MODELS + "intercept: ['https://x']",
            "intercept[0]: expected a host name without scheme, port or path, got 'https://x'",
        ),
        (
            PROVIDERS + MODELS + "server_tools: glm",
            "server_tools: expected a model that the profile sends to Anthropic, got 'glm'",
        ),
        (
            PROVIDERS + MODELS + "server_tools: {web_search: gpt-5}",
            "server_tools.web_search: expected a model that the profile sends to Anthropic, got 'gpt-5'",
        ),
        (
            PROVIDERS + MODELS + "server_tools: {computer: claude-x}",
            "server_tools.computer: expected one of the keys web_search, web_fetch, code_execution",
        ),
        (PROVIDERS + MODELS + "server_tools: [claude-x]", "server_tools: expected a model name"),
        (
            PROVIDERS + MODELS + "max_attempts: 0",
            "max_attempts: expected a whole number above 0, got 0",
        ),
        *(
            (
                PROVIDERS + MODELS + f"upstream_proxy: {url}",
                "upstream_proxy: expected the URL of an",
            )
            for url in (
                *(
                    "3128",
                    "socks5://u:hunter@proxy",
                    "proxy:3128",
                    "http://u:hunter@",
                    "http://h:x",
                ),
                *(
                    "http://u:hunter@proxy/path",
                    "http://u:hunter@proxy?q",
                    "http://[::1",
                    "http://h:0",
                ),
            )
        ),
        (PROVIDERS + MODELS + "open: maybe", "open: expected true or false, got 'maybe'"),
        (
            PROVIDERS + MODELS + "users: {}",
            "users: expected one of the keys providers, models, fallbacks, pool, intercept, max_",
        ),
        (PROVIDERS + MODELS + "pool: {mode: a, mode: b}", "pool.mode: duplicate key (the first"),
        (PROVIDERS + "models:\n\tglm: zai/x", "line 7, column 1: invalid YAML: "),
        (
            "providers: &a {zai: {base_url: 'http://x', set: {y: *a}}}",
            "p.yaml: line 1: expected at most 100 levels of nesting, got more",
        ),
        ("[" * 1000, "p.yaml: line 1: expected at most 100 levels of nesting, got more"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as e:
        parse(text)
    assert str(e.value).startswith("profiles/p.yaml: ")
    assert "\n" not in str(e.value)
    assert not any(secret in str(e.value) for secret in ("123456", "hunter", "zai-secret"))


@pytest.mark.parametrize(
    "text, message",
    [
        (PROVIDERS, "models: expected at least one model, got nothing"),
        (
            "# none\nproviders: {}",
            "line 2: providers: expected at least one provider, got a mapping",
        ),
        (
            "providers:\n\n  zai: {}",
            "line 3: providers.zai.base_url: expected an http(s) URL, got no",
        ),
        (
            f"{PROVIDERS}\nmodells: x",
            "line 7: modells: expected one of the keys providers, models, ",
        ),
        (
            f"{PROVIDERS}models:\n  glm:\n    zia/x",
            "line 7: models.glm: expected one of the provid",
        ),
        (
            f"{PROVIDERS}models: {{x: zai/x}}\npool:\n  mode: a\n  mode: b",
            "line 9: pool.mode: duplicate key (the first is on line 8)",
        ),
        (
            f"{PROVIDERS}models: {{x: zai/x}}\nfallbacks:\n  x:\n  - x\n  - y",
            "line 10: fallbacks.x[1]: expected one of the models x, got 'y'",
        ),
        (
            "providers:\n  zai:\n    base_url: http://x\n    headers:\n      a: b\n      A: c",
            "line 6: providers.zai.headers.A: duplicate header 'A'",
        ),
        (
            "providers:\n  zai:\n    base_url: http://x\n    set: {max_tokens: 5,\n      model: x}",
            "line 5: providers.zai.set.model: expected a field other than model, messages, stream, ",
        ),
        (
            "providers:\n  zai:\n    base_url: http://x\n    auth: bearer",
            "line 2: providers.zai.api_key: expected a key, because auth is bearer, got nothing",
        ),
        (
            "providers:\n  z/i:\n    base_url: http://x",
            "line 2: providers.z/i: expected a provider name",
        ),
    ],
)
def test_an_error_names_the_line(text: str, message: str) -> None:
    """The line of the wrong key, or of the mapping that lacks a key; none if the whole file does."""
    with pytest.raises(ValueError, match=f"^profiles/p.yaml: {re.escape(message)}"):
        parse(text)


def test_a_model_may_be_named_on() -> None:
    """Not so in YAML 1.1, whose booleans stay what they were as values."""
    profile = parse(
        "providers:\n"
        "  zai: {base_url: 'http://x', set: {parallel_tool_calls: no, user: 'no'}}\n"
        "models: {on: zai/x, no: zai/y}\n"
        "open: yes\n"
    )
    assert profile.listed_models() == ["on", "no"]
    assert profile.open
    assert profile.providers["zai"].set == {"parallel_tool_calls": False, "user": "no"}


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PROVIDERS + MODELS, encoding="utf-8-sig")
    assert profiles.read(path, {}).name == "mine"
    path.write_bytes(b"providers: \xff")
    with pytest.raises(ValueError, match=r"mine\.yaml: expected UTF-8, got byte 0xff$"):
        profiles.read(path, {})
    with pytest.raises(ValueError, match=r"none\.yaml: expected a readable file, got No such"):
        profiles.read(tmp_path / "none.yaml", {})
    with pytest.raises(ValueError, match=r"expected a readable file, got Is a directory"):
        profiles.read(tmp_path, {})


def test_the_example_environment_names_what_the_profiles_use() -> None:
    example = (FOLDER.parent / ".env.example").read_text()
    text = (FOLDER / "default.yaml").read_text() + (FOLDER / "team.yaml").read_text()
    names = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert len(names) == 5
    assert all(f"\n{name}=" in example for name in names)


def test_the_default_profile_is_the_one_that_is_promised() -> None:
    assert yaml_loader.load((FOLDER / "default.yaml").read_text()).raw["models"] == {
        "glm": "zai/glm-5",
        "glm-fast": "zai/glm-5-air",
        "kimi": "kimi/kimi-for-coding",
        "openrouter": "openrouter/qwen/qwen3.6-plus:free",
        "anthropic/*": "anthropic/*",
        "claude-*": "anthropic/claude-*",
    }


@pytest.mark.parametrize("mark", ["", "[1m]", "[1M]", "[1m][1m]"])
def test_the_mark_of_a_long_context(mark: str) -> None:
    text = """
    providers: {anthropic: {base_url: "https://a"}, zai: {base_url: "https://z", auth: none}}
    models: {glm: "zai/glm-5[1m]", "zai/*": "zai/*[1m]", claude-*: anthropic/claude-*}
    fallbacks: {claude-opus-*: ["glm[1m]"], glm: ["zai/glm-4[1m]"]}
    """
    profile = profiles.parse(text, {}, "p.yaml")
    assert [str(profile.target(f"{name}{mark}")) for name in ("glm", "zai/x", "claude-opus-5")] == [
        "zai/glm-5",
        "zai/x",
        "anthropic/claude-opus-5",
    ]
    tried = [str(target) for target in profile.fallback_targets(f"claude-opus-5{mark}")]
    assert tried == ["zai/glm-5"]
    assert [str(target) for target in profile.fallback_targets(f"glm{mark}")] == ["zai/glm-4"]


def test_names_of_claude_codes_list_in_a_profile() -> None:
    text = """
providers:
  anthropic: {base_url: "https://api.anthropic.com"}
  zai: {base_url: "https://api.z.ai", auth: none}
models: {glm: zai/glm-5, claude-route/fast: zai/glm-5-air, claude-*: anthropic/claude-*}
fallbacks: {claude-route/claude-*: [claude-route/glm, fast]}
"""
    profile = profiles.parse(text, {}, "p.yaml")
    assert not profile.warnings
    for name in ("claude-opus-5-5", "claude-route/claude-opus-5-5", "claude-opus-5-5[1m]"):
        assert [str(candidate.target) for candidate in profile.candidates(name)] == [
            "anthropic/claude-opus-5-5",
            "zai/glm-5",
            "zai/glm-5-air",
        ]


@pytest.mark.parametrize(
    ("text", "has_login", "model"),
    [
        ("pool: {tokens: sk-ant-oat01-aaaa}", False, "claude-haiku-5-5"),
        ("", True, "claude-haiku-5-5"),
        ("", False, None),
        ("safeguards: {classifier: glm}", False, "glm"),
        ("safeguards: {classifier: kimi}", True, None),
        ("safeguards: {classifier: off}", True, None),
    ],
)
def test_whether_a_client_may_ask_it(text: str, has_login: bool, model: str | None) -> None:
    models = "models: {claude-*: anthropic/claude-*, glm: zai/glm-5, kimi: kimi/k}\n"
    providers = PROVIDERS.replace("zai-secret}", "zai-secret, auth: bearer}").replace(
        "anthropic.com}", "anthropic.com, auth: pool}"
    )
    assert parse(providers + models + text).classifier(has_login=has_login) == model


def test_who_needs_one() -> None:
    assert parse(PROVIDERS + MODELS).needs_classifier
    assert not parse(PROVIDERS + "models: {claude-*: anthropic/claude-*}").needs_classifier
