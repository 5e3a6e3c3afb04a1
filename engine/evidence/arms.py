"""The ways to get an answer that are compared, and the prompt that each makes of a row. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from tunewright.engine.data.alike import asked_of
from tunewright.engine.data.example import Example, Message
from tunewright.engine.evidence.index import Finder
from tunewright.engine.evidence.passages import Passage
from tunewright.engine.evidence.result import AnswerForm, Group
from tunewright.engine.evidence.scoring import normal
from tunewright.engine.prove.rows import with_shots

RETRIEVED = "Use the numbered passages where they help."


class Prompted(msgspec.Struct, frozen=True):
    """A row as it is asked: turns whose last one is the reference answer, and what was put in."""

    example: Example
    retrieved: tuple[int, ...] = ()
    whole: bool = True


class ArmPlan(msgspec.Struct, frozen=True):
    """One arm: `build(row, shots, passages)` makes its prompt with at most so many of each.
    `source`: the passages that `retrieved` numbers, for arms that retrieve."""

    id: str
    title: str
    group: Group
    build: Callable[[Example, int, int], Prompted]
    shots: int = 0
    passages: int = 0
    source: tuple[Passage, ...] = ()


class Prompts:
    """Builds the prompts of every arm from the same instruction, examples and passages.

    `plain`: the model has no chat template, so nothing else would keep turns apart.
    """

    def __init__(
        self,
        instruction: str,
        train: Sequence[Example],
        fixed: Sequence[int],
        *,
        plain: bool,
    ) -> None:
        self.instruction = instruction
        self.train = train
        self.fixed = tuple(fixed)
        self._after = "\n\n" if plain else ""

    def as_is(self, row: Example, _shots: int, _passages: int) -> Prompted:
        """The row alone, as training renders it."""
        return Prompted(row)

    def instructed(self, row: Example, _shots: int, _passages: int) -> Prompted:
        """The row under the instruction."""
        return Prompted(self._told(row, self.instruction))

    def with_fixed(self, row: Example, shots: int, _passages: int) -> Prompted:
        """The row after the same examples for all rows."""
        chosen = self.fixed[:shots]
        return self._shot(row, chosen)

    def with_nearest(self, nearest: Finder) -> Callable[[Example, int, int], Prompted]:
        """The row after the training rows whose questions are nearest, the nearest one last."""

        def build(row: Example, shots: int, _passages: int) -> Prompted:
            found = nearest.find(asked_of(row), shots)
            # Where nothing is near the fixed ones are better than none.
            rest = [other for other in self.fixed if other not in found]
            chosen = (*rest[: shots - len(found)], *reversed(found))
            return Prompted(self._shot(row, chosen).example, tuple(chosen))

        return build

    def with_passages(
        self, finder: Finder, passages: Sequence[Passage], *, of_rows: bool
    ) -> Callable[[Example, int, int], Prompted]:
        """The row after what is retrieved for it, and examples that show how passages are used.

        `of_rows`: the passages are the training rows, so an example must not find itself.
        """

        def asked(row: Example, found: Sequence[int]) -> Example:
            return with_passages(row, [passages[place].text for place in found])

        def build(row: Example, shots: int, count: int) -> Prompted:
            found = finder.find(asked_of(row), count)
            shown = []
            for place in self.fixed[:shots]:
                shot = self.train[place]
                own = (place,) if of_rows else ()
                shown.append(
                    self._ended(asked(shot, finder.find(asked_of(shot), count, without=own)))
                )
            told = f"{self.instruction} {RETRIEVED}"
            example = with_shots(self._told(asked(row, found), told), shown, self._after)
            return Prompted(example, tuple(found))

        return build

    def _shot(self, row: Example, places: Sequence[int]) -> Prompted:
        shots = [self._ended(self.train[place]) for place in places]
        return Prompted(with_shots(self._told(row, self.instruction), shots, self._after))

    def _told(self, row: Example, instruction: str) -> Example:
        first, *rest = row.messages
        if first.role != "system":
            rest = [first, *rest]
            told = instruction
        else:
            told = f"{first.content}\n{instruction}"
        system = Message("system", told + self._after)
        return self._ended(msgspec.structs.replace(row, messages=(system, *rest)))

    def _ended(self, row: Example) -> Example:
        return _question(row, lambda text: text + self._after) if self._after else row


def with_passages(row: Example, texts: Sequence[str]) -> Example:
    """A row with numbered passages before its last question."""
    numbered = [f"[{n}] {text}" for n, text in enumerate(texts, 1)]
    return _question(row, lambda text: "\n".join([*numbered, "", text])) if texts else row


def _question(row: Example, change: Callable[[str], str]) -> Example:
    """The row with its last question changed; a tool's result may stand between it and the
    answer."""
    turns = list(row.messages)
    at = max(n for n, turn in enumerate(turns) if turn.role == "user")
    turns[at] = msgspec.structs.replace(turns[at], content=change(turns[at].content))
    return msgspec.structs.replace(row, messages=tuple(turns))


def fit(plan: ArmPlan, row: Example, fits: Callable[[Example], bool]) -> Prompted | None:
    """The prompt of a row with as much as there is room for: examples go first, then passages.
    None where even the row alone has no room."""
    shots, passages = plan.shots, plan.passages
    while True:
        made = plan.build(row, shots, passages)
        if fits(made.example):
            whole = (shots, passages) == (plan.shots, plan.passages)
            return msgspec.structs.replace(made, whole=whole)
        if shots:
            shots -= 1
        elif passages:
            passages -= 1
        else:
            return None


def choose_fixed(
    train: Sequence[Example], held: Sequence[Example], count: int, form: AnswerForm, seed: int
) -> tuple[int, ...]:
    """Places of the fixed examples: drawn with the seed, for labels one of each before a second of
    any, and none that asks what a held-out row asks."""
    asked = {row.messages[:-1] for row in held}
    order = list(range(len(train)))
    random.Random(seed).shuffle(order)
    order = [place for place in order if train[place].messages[:-1] not in asked]
    if form == "labels":
        seen: dict[str, int] = {}
        turn = {}
        for place in order:
            label = normal(train[place].messages[-1].content)
            turn[place] = seen[label] = seen.get(label, 0) + 1
        order.sort(key=lambda place: turn[place])
    return tuple(order[:count])


def commonest(answers: Sequence[str]) -> str:
    """The answer that is given most often: what a program would say that never looks."""
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    return max(counts, key=lambda answer: counts[answer])
