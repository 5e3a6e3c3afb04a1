"""The last look before GPU hours are spent: does every row train what it is meant to train?"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from typing import Literal

from tunewright.engine.data.example import DataFacts, Example, Finding, Place
from tunewright.engine.data.read import Reading
from tunewright.engine.data.split import prompt_key
from tunewright.engine.data.tokens import IGNORED, Loss, Renderer, Tokens
from tunewright.hardware.errors import Problem

# More rows than this whose answer is cut stop the run: they teach answers that never end.
MOST_CUT_SHARE = 0.05
SHOWN = 5
# Letters of a row beyond which it is refused before a tokenizer takes gigabytes for it: a million
# tokens and more, which no training of this program holds.
MOST_LETTERS = 4_000_000
NOTHING_TRAINED = "nothing is trained"
BOS_DOUBLED = "the bos token is doubled"
NOT_ENDED = "the last trained token does not end the turn, so the model never learns to stop"


def check_row(tokens: Tokens, renderer: Renderer) -> str | None:
    """What is wrong with one row's mask, or None.

    The last trained token must end the turn; what the template writes after it (most write a
    newline) may be trained too. Nothing trained, or a doubled bos, is wrong as well.
    """
    ids, labels = tokens
    trained = [at for at, label in enumerate(labels) if label != IGNORED]
    if not trained:
        return NOTHING_TRAINED
    bos = renderer.bos_id
    # SmolLM2's bos opens each turn as well: only a doubled one at the very start is a fault.
    if bos is not None and ids[:2] == [bos, bos]:
        return BOS_DOUBLED
    at = trained[-1]
    while at >= 0 and ids[at] not in renderer.stop_ids:
        if renderer.tokenizer.decode([ids[at]], skip_special_tokens=False).strip():
            return NOT_ENDED
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
    rows = list(checked_rows(examples, renderer, loss))
    if max_length is not None:
        found = find_cut(examples, rows, max_length, most_cut_share)
        if found is not None and found.severity == "error":
            raise Problem(
                f"{found.count} of {len(rows)} rows would lose the end of their answer",
                why=f"{found.message}; {_shown(found.places, found.count)}",
                cure=found.fix,
            )
    return rows


def checked_rows(examples: Sequence[Example], renderer: Renderer, loss: Loss) -> Iterator[Tokens]:
    """Tokens of every row, one after the other; after the last one a `Problem` if any was wrong.
    Before the first one a `Problem` if any is too long to be tokenized."""
    _refuse_endless(examples)
    wrong: dict[str, list[Place]] = {}
    for example, tokens in zip(examples, renderer.tokenize_all(examples, loss), strict=True):
        said = check_row(tokens, renderer)
        if said is not None:
            wrong.setdefault(said, []).append(example.place)
        yield tokens
    if wrong:
        said, places = max(wrong.items(), key=lambda item: len(item[1]))
        raise Problem(
            f"{len(places)} of {len(examples)} rows would be trained wrongly: {said}",
            why=_shown(places, len(places)),
            cure="look at the chat template and the eos token of the model folder: the assistant's "
            "turn must end with a token that stops generation",
        )


def _refuse_endless(examples: Sequence[Example]) -> None:
    letters = [sum(len(message.content) for message in e.messages) for e in examples]
    places = [e.place for e, n in zip(examples, letters, strict=True) if n > MOST_LETTERS]
    if places:
        raise Problem(
            f"{len(places)} of {len(examples)} rows are longer than any context: up to "
            f"{max(letters):,} letters, where {MOST_LETTERS:,} are the most",
            why=_shown(places, len(places)),
            cure="is a row really one example? cut such rows into several, or leave them out",
        )


def find_cut(
    examples: Sequence[Example],
    rows: Sequence[Tokens],
    max_length: int,
    most_cut_share: float = MOST_CUT_SHARE,
) -> Finding | None:
    """Rows whose answer is longer than `max_length` lets it be: an "error" above the share,
    a "warn" below it, None when nothing that is trained is lost."""
    cut = [
        (example.place, sum(label != IGNORED for label in tokens.labels[max_length:]))
        for example, tokens in zip(examples, rows, strict=True)
        if any(label != IGNORED for label in tokens.labels[max_length:])
    ]
    if not cut:
        return None
    lost = sum(tokens for _, tokens in cut)
    longest = max(len(tokens.input_ids) for tokens in rows)
    return Finding(
        id="rows.cut",
        severity="error" if len(cut) > most_cut_share * len(rows) else "warn",
        message=f"they are longer than max_length {max_length} and lose {lost:,} tokens of answers",
        count=len(cut),
        places=tuple(place for place, _ in cut[:SHOWN]),
        fix=f"--set max_length={longest} keeps all of them",
    )


def _shown(places: Sequence[Place], count: int) -> str:
    more = f" and {count - SHOWN} more" if count > SHOWN else ""
    return ", ".join(str(place) for place in places[:SHOWN]) + more


def measure(
    examples: Sequence[Example],
    eval_examples: Sequence[Example],
    renderer: Renderer,
    loss: Loss,
    reading: Reading,
) -> tuple[DataFacts, array[int]]:
    """The facts that planning needs, from every row, and the tokens of each row: training rows
    first, then the held-out ones. Fails as `preflight` does."""
    lengths = array("I")
    trained = 0
    for tokens in checked_rows(examples, renderer, loss):
        lengths.append(len(tokens.input_ids))
        trained += sum(label != IGNORED for label in tokens.labels)
    train_tokens = sum(lengths)
    lengths.extend(len(row.input_ids) for row in checked_rows(eval_examples, renderer, loss))
    ordered = sorted(lengths)
    texts = [example.messages[-1].content for example in (*examples, *eval_examples)]
    answers = sorted(len(ids) for ids in renderer.encode_all(texts))
    facts = DataFacts(
        format=reading.format,
        rows=len(examples),
        eval_rows=len(eval_examples),
        train_tokens=train_tokens,
        trained_tokens=trained,
        length_p50=_quantile(ordered, 0.5),
        length_p95=_quantile(ordered, 0.95),
        length_max=ordered[-1],
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
        unused_fields=reading.unused_fields,
    )
    return facts, lengths


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
