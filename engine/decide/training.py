"""Which training a verdict of fine-tuning means: its own rules, and what this version can run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from tunewright.engine.decide.case import FEW, Case

Method = Literal["sft", "dpo", "rl"]


class TrainingStep(msgspec.Struct, frozen=True):
    """One training in the order in which to do them. `built` is False for what is advice only:
    this version has no command for it."""

    method: Method
    title: str
    built: bool
    rule: str
    sentence: str
    source: str


class _Rule(NamedTuple):
    id: str
    when: Callable[[Case], bool]
    method: Method
    sentence: Callable[[Case], str]
    source: str


_TITLES: dict[Method, str] = {
    "sft": "supervised fine-tuning (SFT)",
    "dpo": "preference training (DPO)",
    "rl": "reinforcement learning on a checkable reward (GRPO)",
}
_BUILT: tuple[Method, ...] = ("sft",)

TRAINING_RULES = (
    _Rule(
        "training.sft",
        lambda c: not _only_pairs(c),
        "sft",
        lambda _: (
            "examples with the wanted answer are what supervised fine-tuning learns from: always "
            "the first training"
        ),
        "TRL documentation, SFT Trainer",
    ),
    _Rule(
        "training.sft_on_preferred",
        lambda c: _only_pairs(c),
        "sft",
        lambda c: (
            f"the better answers of the {c.pairs:,} pairs serve as examples first, so that "
            "preference training starts from a model that already answers in this way"
        ),
        "Rafailov et al. 2023 (DPO), arXiv:2305.18290, section 4",
    ),
    _Rule(
        "training.dpo",
        lambda c: (c.pairs or 0) >= FEW,
        "dpo",
        lambda c: (
            f"{c.pairs:,} pairs of a better and a worse answer: DPO after it learns the "
            "difference, without the reward model that PPO needs; relatives are KTO for single "
            "answers judged good or bad, and ORPO, which joins both trainings"
        ),
        "Rafailov et al. 2023 (DPO), arXiv:2305.18290; KTO arXiv:2402.01306; ORPO arXiv:2403.07691",
    ),
    _Rule(
        "training.rl",
        lambda c: c.facts.answers in ("json", "short"),
        "rl",
        lambda c: (
            ("answers are JSON objects" if c.facts.answers == "json" else "answers are short")
            + ", so a program can check them: that check can be a reward, worth it where "
            "supervised fine-tuning stops getting better"
        ),
        "Shao et al. 2024 (DeepSeekMath, GRPO), arXiv:2402.03300",
    ),
)


def _only_pairs(case: Case) -> bool:
    """The examples are the better answers of preference pairs: there are not as many rows."""
    return bool(case.pairs) and case.examples == case.pairs


def training_steps(case: Case) -> tuple[TrainingStep, ...]:
    """The trainings in order, SFT first; what is not built says so in its sentence."""
    return tuple(
        TrainingStep(
            method=rule.method,
            title=_TITLES[rule.method],
            built=rule.method in _BUILT,
            rule=rule.id,
            sentence=rule.sentence(case)
            + ("" if rule.method in _BUILT else " (advice: this version does not run it)"),
            source=rule.source,
        )
        for rule in TRAINING_RULES
        if rule.when(case)
    )
