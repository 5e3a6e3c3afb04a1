"""The last look before GPU hours are spent: does every row train what it is meant to train?"""

from __future__ import annotations

import itertools
import json
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from tunewright.engine.data.checks.beside import leaves
from tunewright.engine.data.example import DataFacts, Example, Place
from tunewright.engine.data.keys import equal_pairs, key_of
from tunewright.engine.data.read import Reading
from tunewright.engine.data.split import prompt_key
from tunewright.engine.data.tokens import IGNORED, Loss, Renderer, Tokens
from tunewright.hardware.errors import Problem

# Answers that are counted at once.
_ANSWERS = 1000
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


def checked_rows(
    examples: Sequence[Example], renderer: Renderer, loss: Loss
) -> Iterator[tuple[Example, Tokens]]:
    """Every row and its tokens, one after the other; after the last one a `Problem` if any was
    wrong. Before the first one a `Problem` if any is too long to be tokenized."""
    _refuse_endless(examples)
    wrong: dict[str, list[Place]] = {}
    counts: Counter[str] = Counter()
    for example, tokens in renderer.tokenized(examples, loss):
        said = check_row(tokens, renderer)
        if said is not None:
            counts[said] += 1
            if counts[said] <= SHOWN:
                wrong.setdefault(said, []).append(example.place)
        yield example, tokens
    if counts:
        said, count = counts.most_common(1)[0]
        raise Problem(
            f"{count} of {len(examples)} rows would be trained wrongly: {said}",
            why=_shown(wrong[said], count),
            cure="look at the chat template and the eos token of the model folder: the assistant's "
            "turn must end with a token that stops generation",
        )


def _refuse_endless(examples: Sequence[Example]) -> None:
    places: list[Place] = []
    count = longest = 0
    for example in examples:
        letters = _letters(example)
        longest = max(longest, letters)
        if letters > MOST_LETTERS:
            count += 1
            if count <= SHOWN:
                places.append(example.place)
    if places:
        raise Problem(
            f"{count} of {len(examples)} rows are longer than any context: up to "
            f"{longest:,} letters, where {MOST_LETTERS:,} are the most",
            why=_shown(places, count),
            cure="is a row really one example? cut such rows into several, or leave them out",
        )


def _letters(example: Example) -> int:
    """Of all that a template renders: reasoning, the arguments of calls and the tools too."""
    letters = 0
    for message in example.messages:
        letters += len(message.content) + len(message.reasoning or "")
        for call in message.tool_calls:
            letters += sum(len(text) for _, text in leaves(call.arguments, ""))
    if example.tools:
        letters += sum(len(text) for _, text in leaves(example.tools, ""))
    return letters


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
    lengths, answers, rows = array("I"), array("I"), array("Q")
    trained = several = objects = train_tokens = 0
    waiting: list[str] = []

    def count_answers() -> None:
        answers.extend(map(len, renderer.encode_all(waiting)))
        waiting.clear()

    for examples_of_side in (examples, eval_examples):
        for example, tokens in checked_rows(examples_of_side, renderer, loss):
            lengths.append(len(tokens.input_ids))
            answer = example.messages[-1].content
            objects += _is_json_object(answer)
            waiting.append(answer)
            if len(waiting) == _ANSWERS:
                count_answers()
            if examples_of_side is examples:
                trained += len(tokens.labels) - tokens.labels.count(IGNORED)
                several += sum(m.role == "assistant" for m in example.messages) > 1
                rows.append(key_of(f"{prompt_key(example)}{answer}"))
        train_tokens = train_tokens or sum(lengths)
    count_answers()
    length, answer_length = Quantiles(lengths), Quantiles(answers)
    facts = DataFacts(
        format=reading.format,
        rows=len(examples),
        eval_rows=len(eval_examples),
        train_tokens=train_tokens,
        trained_tokens=trained,
        length_p50=length.at(0.5),
        length_p95=length.at(0.95),
        length_max=length.at(1),
        answer_p95=answer_length.at(0.95),
        answer_max=answer_length.at(1),
        multi_turn_rows=several,
        duplicate_rows=sum(1 for _ in equal_pairs(rows)),
        rendering=renderer.rendering,
        answers=_answer_kind(objects / len(answers), answer_length.at(0.95)),
        template_sha256=_template_hash(renderer),
        unused_fields=reading.unused_fields,
    )
    return facts, lengths


class Quantiles:
    """Quantiles of many whole numbers of which few differ."""

    def __init__(self, numbers: Iterable[int]) -> None:
        counts = Counter(numbers)
        self._ordered = sorted(counts)
        self._up_to = list(itertools.accumulate(counts[number] for number in self._ordered))

    def at(self, share: float) -> int:
        """The number below which `share` of them lie; the largest one for 1."""
        count = self._up_to[-1]
        return self._ordered[bisect_right(self._up_to, min(count - 1, int(share * count)))]


def _answer_kind(objects: float, p95: int) -> Literal["json", "short", "text"]:
    """`objects`: the share of answers that are JSON objects."""
    if objects >= 0.95:
        return "json"
    return "short" if p95 <= 64 else "text"


def _is_json_object(text: str) -> bool:
    if not text.lstrip(" \t\n\r").startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _template_hash(renderer: Renderer) -> str | None:
    import hashlib

    if renderer.template is None:
        return None
    return hashlib.sha256(renderer.template.source.encode()).hexdigest()
