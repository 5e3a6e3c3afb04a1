"""What a decision says: plain data, the same on a screen and as JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tunewright.engine.decide.guide import Approach, Verdicts
from tunewright.engine.decide.training import TrainingStep
from tunewright.engine.suspect.trouble import Trouble

Confidence = Literal["high", "medium", "low"]


Spoke = Literal["rules", "measurement", "both"]


class Reason(msgspec.Struct, frozen=True):
    """A rule that fired. `towards`: the approaches that it speaks for. `basis`: whether it goes by
    answers and counts, or by figures that were measured."""

    rule: str
    sentence: str
    source: str
    towards: tuple[Verdicts, ...]
    basis: Literal["rule", "measured"] = "rule"


class Change(msgspec.Struct, frozen=True):
    """One other answer, and the verdict it would lead to. `value` stands for its whole choice."""

    field: str
    value: str | bool | int
    verdict: Verdicts
    sentence: str


class NextStep(msgspec.Struct, frozen=True):
    """The next cheapest experiment. Words in capitals in the command stand for what is not known
    yet."""

    sentence: str
    command: str


class Verdict(msgspec.Struct, frozen=True):
    """The decision and all that belongs to it.

    `open_questions` are ids, in order, that can still change the verdict. `answered_by_facts`: what
    counts answered in a person's stead. `training` is empty unless the verdict is to train.
    `measured` False: by rules only, provisional until tried on a person's own rows. `spoke`: what
    led to the verdict; "both" where the rules alone would have come to it too. `measurement`: the
    figures in a line; `not_measured`: what they lack, each with its reason. `repair`: what is wrong
    with the rows, what to repair first standing first.
    """

    verdict: Verdicts
    title: str
    confidence: Confidence
    confidence_because: str
    because: tuple[Reason, ...]
    against: tuple[Reason, ...]
    would_change: tuple[Change, ...]
    next_step: NextStep
    training: tuple[TrainingStep, ...]
    approaches: tuple[Approach, ...]
    open_questions: tuple[str, ...]
    answered_by_facts: dict[str, Any]
    measured: bool = False
    spoke: Spoke = "rules"
    measurement: str | None = None
    not_measured: tuple[str, ...] = ()
    repair: tuple[Trouble, ...] = ()
