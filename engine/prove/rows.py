"""Which rows a run is proved on, and the exact tokens a model is asked with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import msgspec

from tunewright.engine.data.example import Example, Message
from tunewright.engine.data.tokens import Loss, Renderer, Tokens
from tunewright.engine.prove.score import AnswerKind
from tunewright.engine.run.job import Job
from tunewright.hardware.errors import Problem


class HeldOut:
    """The same held-out rows for every measurement of a run.

    `rows` are the examples asked, `numbers` their places in the held-out split (0-based), `wants`
    their last answers; `shots` the training rows that a few-shot prompt shows. `left_out` rows did
    not fit the model's context.
    """

    def __init__(
        self,
        rows: dict[int, Example],
        shots: tuple[Example, ...],
        kind: AnswerKind,
        renderer: Renderer,
        left_out: int,
    ) -> None:
        self.rows = tuple(rows.values())
        self.numbers = tuple(rows)
        self.wants = tuple(row.messages[-1].content for row in self.rows)
        self.shots = shots
        self.kind = kind
        self.eos_ids = tuple(sorted(renderer.stop_ids))
        self.left_out = left_out
        self._renderer = renderer

    def prompts(self, shots: Sequence[Example] = ()) -> list[list[int]]:
        """Token ids of every row's prompt, with `shots` as turns before it."""
        return [_prompt(self._renderer, row, shots) for row in self.rows]

    def references(self, loss: Loss, max_length: int) -> list[Tokens]:
        """Every row as training sees it: labels masked for `loss`, cut at `max_length` tokens."""
        rows = [self._renderer.tokenize(row, loss) for row in self.rows]
        return [Tokens(row.input_ids[:max_length], row.labels[:max_length]) for row in rows]

    def text(self, answer: Sequence[int]) -> str:
        """The text of generated tokens, special tokens left out."""
        decoded: str = self._renderer.tokenizer.decode(list(answer), skip_special_tokens=True)
        return decoded


def fitting(
    renderer: Renderer,
    evaluation: Sequence[Example],
    numbers: Sequence[int],
    room: int | None,
) -> Iterator[tuple[int, Example]]:
    """Those of the numbered rows whose prompt has at most `room` tokens, with their numbers."""
    for number in numbers:
        row = evaluation[number]
        if room is None or len(renderer.prompt_ids(row)) <= room:
            yield number, row


def drawn(count: int, most: int, seed: int) -> list[int]:
    """Which `most` of `count` held-out rows a run measures, in the order of the data."""
    return sorted(_shuffled(count, seed)[:most])


def with_shots(row: Example, shots: Sequence[Example], after: str = "") -> Example:
    """`row` with the turns of `shots` before its own. Its system prompt stays first, theirs go.

    `after` ends each shot: without a chat template nothing else would keep them apart.
    """
    system = tuple(m for m in row.messages if m.role == "system")
    turns = tuple(m for m in row.messages if m.role != "system")
    shown: list[Message] = []
    for shot in shots:
        *before, last = (m for m in shot.messages if m.role != "system")
        shown += [*before, msgspec.structs.replace(last, content=last.content + after)]
    return msgspec.structs.replace(row, messages=(*system, *shown, *turns))


def held_out(job: Job) -> HeldOut:
    """The rows of this run, drawn with its seed: the same in every stage and every replay.

    A `Problem` when no row is held out, or none fits the model's context.
    """
    from tunewright.engine.data.prepared import load_split

    train, evaluation = load_split(job)
    if not evaluation:
        raise Problem(
            "there is no held-out row to measure on",
            why="neither an eval_path nor a share of the rows is held out",
            cure="name held-out rows with eval_path, raise eval_fraction, or train without proof: "
            "--stages train,merge",
        )
    recorded = job.session.recorded
    seed = job.session.inputs.seed
    renderer = Renderer.open(job.model_dir, job.session.inputs.data.date)
    asked = drawn(len(evaluation), job.setting("evaluation.rows"), seed)
    context = recorded.model.max_position_embeddings if recorded else None
    room = context - job.setting("evaluation.max_new_tokens") if context else None
    found = dict(fitting(renderer, evaluation, asked, room))
    if not found:
        raise Problem(
            "no held-out row fits the model",
            why=f"every prompt and its answer together exceed the context of {context} tokens",
            cure="shorten the rows, or take a model with a longer context",
        )
    rows = tuple(found.values())
    shots = choose_shots(train, rows, job.setting("evaluation.shots"), seed)
    return HeldOut(
        found,
        _fit_shots(renderer, rows, shots, room),
        recorded.data.answers if recorded else "text",
        renderer,
        len(asked) - len(found),
    )


def choose_shots(
    train: Sequence[Example], rows: Sequence[Example], count: int, seed: int
) -> tuple[Example, ...]:
    """`count` training rows drawn with the seed, none of which asks what a held-out row asks."""
    asked = {row.messages[:-1] for row in rows}
    order = _shuffled(len(train), seed)
    picked: list[Example] = []
    for index in order:
        if len(picked) == count:
            break
        if train[index].messages[:-1] not in asked:
            picked.append(train[index])
    return tuple(picked)


def _prompt(renderer: Renderer, row: Example, shots: Sequence[Example]) -> list[int]:
    after = "" if renderer.rendering == "chat" else "\n\n"
    return renderer.prompt_ids(with_shots(row, shots, after))


def _fit_shots(
    renderer: Renderer, rows: Sequence[Example], shots: tuple[Example, ...], room: int | None
) -> tuple[Example, ...]:
    """As many of `shots` as every row has room for."""
    if room is None:
        return shots
    while shots and max(len(_prompt(renderer, row, shots)) for row in rows) > room:
        shots = shots[:-1]
    return shots


def _shuffled(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order
