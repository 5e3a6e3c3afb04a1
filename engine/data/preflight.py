"""The last look before GPU hours are spent: does every row train what it is meant to train?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from tunewright.engine.data.example import DataFacts, Example, Format, Place
from tunewright.engine.data.split import prompt_key
from tunewright.engine.data.tokens import IGNORED, Loss, Renderer, Tokens
from tunewright.hardware.errors import Problem

# More rows than this whose answer is cut stop the run: they teach answers that never end.
MOST_CUT_SHARE = 0.05
SHOWN = 5


def check_row(tokens: Tokens, renderer: Renderer) -> str | None:
    """What is wrong with one row's mask, or None.

    The last trained token must end the turn; what the template writes after it (most write a
    newline) may be trained too. Nothing trained, or a doubled bos, is wrong as well.
    """
    ids, labels = tokens
    trained = [at for at, label in enumerate(labels) if label != IGNORED]
    if not trained:
        return "nothing is trained"
    bos = renderer.bos_id
    # SmolLM2's bos opens each turn as well: only a doubled one at the very start is a fault.
    if bos is not None and ids[:2] == [bos, bos]:
        return "the bos token is doubled"
    at = trained[-1]
    while at >= 0 and ids[at] not in renderer.stop_ids:
        if renderer.tokenizer.decode([ids[at]], skip_special_tokens=False).strip():
            return "the last trained token does not end the turn, so the model never learns to stop"
        at -= 1
    return None


def preflight(
    examples: Sequence[Example],
    renderer: Renderer,
    loss: Loss,
    max_length: int | None = None,
    most_cut_share: float = MOST_CUT_SHARE,
) -> list[Tokens]:
    """Tokens of every row, or a `Problem` with the first places and the count of what is wrong."""
    rows = [renderer.tokenize(example, loss) for example in examples]
    wrong: dict[str, list[Place]] = {}
    for example, tokens in zip(examples, rows, strict=True):
        said = check_row(tokens, renderer)
        if said is not None:
            wrong.setdefault(said, []).append(example.place)
    for said, places in wrong.items():
        raise Problem(
            f"{len(places)} of {len(rows)} rows would be trained wrongly: {said}",
            why=_shown(places),
            cure="look at the chat template and the eos token of the model folder: the assistant's "
            "turn must end with a token that stops generation",
        )
    if max_length is not None:
        _check_cut(examples, rows, max_length, most_cut_share)
    return rows


def _check_cut(
    examples: Sequence[Example], rows: Sequence[Tokens], max_length: int, most: float
) -> None:
    cut = [
        example.place
        for example, tokens in zip(examples, rows, strict=True)
        if any(label != IGNORED for label in tokens.labels[max_length:])
    ]
    if len(cut) > most * len(rows):
        longest = max(len(tokens.input_ids) for tokens in rows)
        raise Problem(
            f"{len(cut)} of {len(rows)} rows would lose the end of their answer",
            why=f"they are longer than max_length {max_length}; {_shown(cut)}",
            cure=f"--set max_length={longest} keeps all of them",
        )


def _shown(places: Sequence[Place]) -> str:
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return ", ".join(str(place) for place in places[:SHOWN]) + more


def measure(
    examples: Sequence[Example],
    eval_examples: Sequence[Example],
    renderer: Renderer,
    loss: Loss,
    format: Format,
) -> DataFacts:
    """The facts that planning needs, from every row; fails as `preflight` does."""
    train = preflight(examples, renderer, loss)
    held = preflight(eval_examples, renderer, loss)
    rows = [*train, *held]
    lengths = sorted(len(tokens.input_ids) for tokens in rows)
    answers = sorted(
        len(renderer.encode(example.messages[-1].content))
        for example in (*examples, *eval_examples)
    )
    texts = [example.messages[-1].content for example in (*examples, *eval_examples)]
    return DataFacts(
        format=format,
        rows=len(examples),
        eval_rows=len(eval_examples),
        train_tokens=sum(len(tokens.input_ids) for tokens in train),
        trained_tokens=sum(label != IGNORED for tokens in train for label in tokens.labels),
        length_p50=_quantile(lengths, 0.5),
        length_p95=_quantile(lengths, 0.95),
        length_max=lengths[-1],
        answer_p95=_quantile(answers, 0.95),
        answer_max=answers[-1],
        multi_turn_rows=sum(
            sum(m.role == "assistant" for m in example.messages) > 1 for example in examples
        ),
        duplicate_rows=len(examples)
        - len({(prompt_key(e), e.messages[-1].content) for e in examples}),
        rendering=renderer.rendering,
        answers=_answer_kind(texts, _quantile(answers, 0.95)),
        template_sha256=_template_hash(renderer),
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _answer_kind(texts: Sequence[str], p95: int) -> Literal["json", "short", "text"]:
    if sum(_is_json_object(text) for text in texts) >= 0.95 * len(texts):
        return "json"
    return "short" if p95 <= 64 else "text"


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _template_hash(renderer: Renderer) -> str | None:
    import hashlib

    if renderer.template is None:
        return None
    return hashlib.sha256(renderer.template.source.encode()).hexdigest()
