"""What a person asked to be measured: the part of a session that an evidence run adds."""

from __future__ import annotations

from typing import Literal

import msgspec

# The figure from which on an approach counts as good enough, unless a person names another.
TARGET = 0.85
# Tokens that an answer may have beyond the longest reference answer, where a sentence around the
# fact is no mistake: one sentence, and no copy of a passage.
SENTENCE_TOKENS = 24


class EvidenceInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`rows`: held-out rows to ask, at most. `shots`: examples in a prompt; `passages`: retrieved
    texts in a prompt. `documents`: a file or folder to retrieve from, beside the training rows;
    `embedder`: a folder with an embedding model, beside BM25; both relative to the session.
    `instruction`: what to tell the model in place of what is written for it. `target`: the figure
    that is good enough. `pilot`: a short training, always, never, or where nothing cheaper
    reaches the target. `served_as`: the model's name at an endpoint; None takes the first one."""

    rows: int | None = None
    shots: int = 4
    passages: int = 2
    documents: str | None = None
    embedder: str | None = None
    instruction: str | None = None
    target: float = TARGET
    pilot: Literal["auto", "always", "never"] = "auto"
    served_as: str | None = None


def is_endpoint(model: str) -> bool:
    """Whether a model is named by the URL of an OpenAI-compatible server, not by a folder."""
    return model.startswith(("http://", "https://"))
