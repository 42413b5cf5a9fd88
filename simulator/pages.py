"""Everything besides messages: what Claude Code requests when it starts, models, and 404s."""

from __future__ import annotations

from typing import Any

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5-20251001")
STARTUP: dict[str, Any] = {
    "/api/hello": {"message": "hello"},
    "/api/claude_code/settings": {"uuid": "", "checksum": "", "settings": {}},
    "/api/claude_code/policy_limits": {"restrictions": {}},
    "/api/claude_cli/bootstrap": {"client_data": {}, "additional_model_options": []},
    "/api/claude_code_penguin_mode": {"enabled": False, "disabled_reason": None},
    "/api/claude_code_grove": {"grove_enabled": False},
    "/api/directory/server-urls": {"urls": []},
    "/api/claude_code/organizations/metrics_enabled": {"metrics_logging_enabled": False},
    "/api/claude_code/metrics": {"accepted_count": 0, "rejected_count": 0},
    "/api/event_logging/v2/batch": {"accepted_count": 0, "rejected_count": 0},
    "/api/event_logging/batch": {"accepted_count": 0, "rejected_count": 0},
}


def page(method: str, path: str) -> Any | None:
    """The JSON of a page; None if there is none. `path` is without its query."""
    if path in STARTUP:
        return STARTUP[path]
    if path.startswith("/api/eval/"):
        return {"features": {}}
    if path.endswith("/v1/models"):
        return {
            "data": [_model(name) for name in MODELS],
            "has_more": False,
            "first_id": MODELS[0],
            "last_id": MODELS[-1],
        }
    _, models, name = path.rpartition("/v1/models/")
    return _model(name) if models and name in MODELS else None


def _model(name: str) -> dict[str, Any]:
    _, family, *numbers = name.split("-")
    return {
        "type": "model",
        "id": name,
        "display_name": f"Claude {family.title()} {'.'.join(numbers[:2])}",
        "created_at": "2026-10-01T00:00:00Z",
    }
