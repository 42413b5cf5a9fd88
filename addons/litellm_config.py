"""A LiteLLM proxy's `config.yaml` as a profile: https://docs.litellm.ai/docs/proxy/configs"""

from __future__ import annotations

from typing import Any

import documents


def is_config(raw: Any) -> bool:
    return isinstance(raw, dict) and "model_list" in raw


def translate(config: documents.Value) -> tuple[dict[str, Any], tuple[str, ...]]:
    raise NotImplementedError
