"""Thinking that is bound to the model that made it: the newest models accept no other's, nor do others
theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from simulator import signatures

BOUND = re.compile(r"claude-(?:(?:fable|mythos)-5-[2-9]|sonnet-5-5)(?!\d)")


def problems(body: Mapping[str, Any], signer: signatures.Signer) -> Iterator[str]:
    model = str(body["model"])
    for n, message in enumerate(body["messages"]):
        if message.get("role") != "assistant" or isinstance(message["content"], str):
            continue
        for m, block in enumerate(message["content"]):
            if block["type"] not in ("thinking", "redacted_thinking"):
                continue
            seal = signer.read(str(block.get("signature") or block.get("data")))
            if seal is None or seal.model in ("", model):
                continue
            if BOUND.match(model) or BOUND.match(seal.model):
                yield (
                    f"messages.{n}.content.{m}: Invalid `signature` in `thinking` block. The block is bound"
                    " to a different model. Remove the block, or set"
                    ' `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
                )
