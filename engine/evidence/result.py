"""What the stages `evidence` and `pilot` found: plain data, light to import."""

from __future__ import annotations

from typing import Literal

import msgspec

from tunewright.engine.prove.likelihood import Likelihood
from tunewright.engine.prove.statistics import Interval
from tunewright.engine.prove.threads import Threads

AnswerForm = Literal["json", "labels", "fact", "short", "text"]
Group = Literal["floor", "prompting", "retrieval", "training"]


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to get answers, measured on every row.

    `scores` by metric, row by row, in 0..1; `figures` their means with 95 % intervals.
    `prompt_tokens`: mean of a row; `latency_seconds`: median of single requests, one at a time.
    `retrieved`: what was put into each prompt (ids of training rows or passages); `found`: share of
    rows with the reference answer in a retrieved passage. `short_of_room`: rows that had no room
    for all examples or passages. `cut`: answers that reached the limit of tokens.
    """

    id: str
    title: str
    group: Group
    answers: tuple[str, ...]
    scores: dict[str, tuple[float, ...]]
    figures: dict[str, Interval]
    prompt_tokens: float | None = None
    latency_seconds: float | None = None
    likelihood: Likelihood | None = None
    retrieved: tuple[tuple[int, ...], ...] = ()
    found: float | None = None
    short_of_room: int = 0
    cut: int = 0
    seconds: float = 0.0


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """results/evidence.json. `figures` is what a replay compares, `verdict` the outcome in a line.

    `rows` are places in the held-out split, `asks` the last question and `wants` the reference
    answer of each. `primary` names the metric that decides; `target` what is good enough by it
    (None: it is no share of right answers, and only compared). `leaked` held-out rows were left out
    since they stand in training, `left_out` did not fit the model. `examples_help`: nats an answer
    that examples in the prompt save, row by row with an interval; None where it was not measured,
    with the reason in `no_likelihood`. `shots`: places in the training split of the fixed examples.
    """

    figures: dict[str, float]
    verdict: str
    form: AnswerForm
    primary: str
    target: float | None
    rows: tuple[int, ...]
    asks: tuple[str, ...]
    wants: tuple[str, ...]
    leaked: int
    left_out: int
    instruction: str
    shots: tuple[int, ...]
    arms: tuple[Arm, ...]
    examples_help: Interval | None
    no_likelihood: str
    max_new_tokens: int
    served_as: str | None
    threads: Threads | None
    seconds: float

    def arm(self, id: str) -> Arm | None:
        """The arm of that id, if it was measured."""
        return next((arm for arm in self.arms if arm.id == id), None)

    def best(self, group: Group) -> Arm | None:
        """The best arm of a group by the primary figure, then by the likelihood of the reference
        answers; of equal ones the first, which is the cheapest."""
        arms = [arm for arm in self.arms if arm.group == group]
        return max(arms, key=lambda arm: _rank(arm, self.primary), default=None)


def _rank(arm: Arm, primary: str) -> tuple[float, float]:
    nats = arm.likelihood.nats_per_token if arm.likelihood else 0.0
    return arm.figures[primary].mean, -nats


class PilotPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training on `rows` rows for `steps` steps of `batch` rows, and the tuned model, measured
    like an arm."""

    rows: int
    steps: int
    batch: int
    train_seconds: float
    arm: Arm


class Pilot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """results/pilot.json: the learning curve, smallest size first; no points where it was not
    needed, with the reason in `verdict`.

    `doubling`: what the last doubling of rows brought in the primary figure, row by row.
    `nats_doubling`: the same for the nats a token of the reference answers (below 0 is better).
    `expected`: the primary figure at `expected_rows`, twice the most that was tried.
    """

    figures: dict[str, float]
    verdict: str
    learning_rate: float | None
    points: tuple[PilotPoint, ...]
    doubling: Interval | None
    nats_doubling: float | None
    expected_rows: int | None
    expected: float | None
    seconds: float
