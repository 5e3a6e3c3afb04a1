"""Which rows a run is proved on, and the exact tokens a model is asked with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tunewright.engine.data.example import Example
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
        renderer: Any,
        tokenizer: Any,
        eos_ids: tuple[int, ...],
        left_out: int,
    ) -> None:
        self.rows = tuple(rows.values())
        self.numbers = tuple(rows)
        self.wants = tuple(row.messages[-1].content for row in self.rows)
        self.shots = shots
        self.kind = kind
        self.eos_ids = eos_ids
        self.left_out = left_out
        self._renderer = renderer
        self._tokenizer = tokenizer

    def prompts(self, shots: Sequence[Example] = ()) -> list[list[int]]:
        """Token ids of every row's prompt, with `shots` as turns before it."""
        return [list(self._renderer.prompt_ids(with_shots(row, shots))) for row in self.rows]

    def references(self, loss: str) -> list[Any]:
        """Every row as training would see it: tokens and labels masked for `loss`."""
        return [self._renderer.tokenize(row, loss) for row in self.rows]

    def text(self, answer: Sequence[int]) -> str:
        """The text of generated tokens, special tokens left out."""
        decoded: str = self._tokenizer.decode(
            answer, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded


def with_shots(row: Example, shots: Sequence[Example]) -> Example:
    """`row` with the turns of `shots` before its own. Its system prompt stays first, theirs go."""
    system = tuple(m for m in row.messages if m.role == "system")
    turns = tuple(m for m in row.messages if m.role != "system")
    shown = tuple(m for shot in shots for m in shot.messages if m.role != "system")
    return Example(messages=(*system, *shown, *turns), place=row.place)


def held_out(job: Job) -> HeldOut:
    """The rows of this run, drawn with its seed: the same in every stage and every replay.

    A `Problem` when no row is held out, or none fits the model's context.
    """
    from transformers import AutoTokenizer
    from tunewright.engine.data.prepared import load_split
    from tunewright.engine.data.tokens import Renderer

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
    renderer = Renderer.open(job.model_dir)
    tokenizer = AutoTokenizer.from_pretrained(job.model_dir)
    drawn = _draw(len(evaluation), job.setting("evaluation.rows"), seed)
    context = recorded.model.max_position_embeddings if recorded else None
    room = context - job.setting("evaluation.max_new_tokens") if context else None
    fitting = {
        number: evaluation[number]
        for number in drawn
        if room is None or len(renderer.prompt_ids(evaluation[number])) <= room
    }
    if not fitting:
        raise Problem(
            "no held-out row fits the model",
            why=f"every prompt and its answer together exceed the context of {context} tokens",
            cure="shorten the rows, or take a model with a longer context",
        )
    rows = tuple(fitting.values())
    shots = _fit_shots(renderer, rows, choose_shots(train, rows, _shots(job), seed), room)
    example = renderer.tokenize(rows[0], job.setting("loss.on"))
    return HeldOut(
        fitting,
        shots,
        recorded.data.answers if recorded else "text",
        renderer,
        tokenizer,
        stop_ids(job.model_dir, tokenizer, example.labels),
        len(drawn) - len(fitting),
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


def stop_ids(model_dir: Any, tokenizer: Any, labels: Sequence[int]) -> tuple[int, ...]:
    """Every token that ends an answer: the model's own and the one that training ends a turn with.

    Some models name only an end of text in generation_config.json, while their template ends turns
    with another token; an answer must be free to end with either.
    """
    from transformers import GenerationConfig

    found: set[int] = set()
    if (model_dir / "generation_config.json").is_file():
        named = GenerationConfig.from_pretrained(model_dir).eos_token_id
        found |= set(named if isinstance(named, list) else [] if named is None else [named])
    if tokenizer.eos_token_id is not None:
        found.add(tokenizer.eos_token_id)
    special = set(tokenizer.all_special_ids) | {
        id for id, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    ending = [label for label in labels if label in special]
    return tuple(sorted(found | set(ending[-1:])))


def _shots(job: Job) -> int:
    return int(job.setting("evaluation.shots"))


def _fit_shots(
    renderer: Any, rows: Sequence[Example], shots: tuple[Example, ...], room: int | None
) -> tuple[Example, ...]:
    """As many of `shots` as every row has room for."""
    if room is None:
        return shots
    while shots and max(len(renderer.prompt_ids(with_shots(r, shots))) for r in rows) > room:
        shots = shots[:-1]
    return shots


def _draw(count: int, wanted: int, seed: int) -> list[int]:
    return sorted(_shuffled(count, seed)[:wanted])


def _shuffled(count: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order
