"""Finding passages by meaning: an embedding model of a local folder, mean-pooled, by cosine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from tunewright.engine.evidence.passages import Passage

_BATCH = 16
_MOST_TOKENS = 512


class Embedded:
    """A `Finder` over dense vectors. Texts are embedded alike, questions as they are."""

    def __init__(self, folder: Path, texts: Sequence[str], between: Callable[[], None]) -> None:
        from transformers import AutoModel, AutoTokenizer

        options = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        self._model = AutoModel.from_pretrained(folder, use_safetensors=True, **options).eval()
        if self._tokenizer.pad_token_id is None:
            # Padding is masked: any token will do.
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._vectors = self._embed(texts, between)

    @classmethod
    def of_passages(
        cls, folder: Path, passages: Sequence[Passage], between: Callable[[], None]
    ) -> Embedded:
        return cls(folder, [passage.text for passage in passages], between)

    def find(self, question: str, count: int, without: Collection[int] = ()) -> list[int]:
        """See `index.Finder`."""
        scores = (self._vectors @ self._embed([question])[0]).tolist()
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        return [i for i in order if i not in without][:count]

    def _embed(self, texts: Sequence[str], between: Callable[[], None] = lambda: None) -> Any:
        import torch

        made = []
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                between()
                batch = self._tokenizer(
                    list(texts[start : start + _BATCH]),
                    padding=True,
                    truncation=True,
                    max_length=_MOST_TOKENS,
                    return_tensors="pt",
                )
                hidden = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None].to(hidden.dtype)
                mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
                made.append(torch.nn.functional.normalize(mean, dim=-1).float())
        return torch.cat(made)
