"""What must hold before a merge: a base with whole weights, and one tokenizer on both sides."""

from __future__ import annotations

from pathlib import Path

from tunewright.engine.data.tokens import Renderer
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.shapes import read_shape

_WHOLE = ("float32", "bfloat16", "float16")


def check_base(model_dir: Path) -> str:
    """The number format of the base on disk. A `Problem` when it is quantized: what rounding took
    cannot be given back, and a merge into it would be rounded a second time."""
    dtype = read_shape(model_dir).weights_dtype
    if dtype not in _WHOLE:
        raise Problem(
            f"nothing is merged into {model_dir.name}",
            why=f"its weights are {dtype}, not one of {', '.join(_WHOLE)}",
            cure="name the 16-bit model that it was made from as the base",
            exit=Exit.FAILED,
        )
    return dtype


def check_tokenizers(model_dir: Path, adapter: Path) -> None:
    """A `Problem` when the adapter was trained with other tokens or another chat template than the
    base has, or when the vocabulary is larger than the base's embedding."""
    base = Renderer.open(model_dir)
    vocabulary = base.tokenizer.get_vocab(with_added_tokens=True)
    rows = read_shape(model_dir).vocab_size
    if max(vocabulary.values()) >= rows:
        raise _mismatch(
            f"token {max(vocabulary.values())} of the tokenizer has no row in the embedding, "
            f"which has {rows}",
            "take the tokenizer that belongs to the model",
        )
    if not (adapter / "tokenizer.json").is_file():
        return
    trained = Renderer.open(adapter)
    theirs = trained.tokenizer.get_vocab(with_added_tokens=True)
    if theirs != vocabulary:
        changed = {token for token, _ in theirs.items() ^ vocabulary.items()}
        raise _mismatch(
            f"{len(changed)} tokens have other ids in the adapter's tokenizer than in the base's",
            "merge with the base that the adapter was trained on",
        )
    mine = base.template.source if base.template else None
    if (trained.template.source if trained.template else None) != mine:
        raise _mismatch(
            "the adapter was trained with another chat template than the base has",
            "merge with the base that the adapter was trained on, or put that template into it",
        )


def _mismatch(why: str, cure: str) -> Problem:
    return Problem("adapter and base do not belong together", why=why, cure=cure, exit=Exit.FAILED)
