"""What a measurement says to the rules: the figures that decide, and which differences are real.

Pure and light: made from the results of the stages `evidence` and `pilot`, read by `rules`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tunewright.engine.decide.guide import Verdicts
from tunewright.engine.evidence.result import Arm, Evidence, Pilot
from tunewright.engine.evidence.scoring import NAMES, YES_OR_NO
from tunewright.engine.prove.statistics import PairedTest, compare_binary, compare_means

SIGNIFICANT = 0.05
# A gain in the figure that is worth collecting rows for.
_WORTH = 0.1


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The best arm of a group: its mean with the 95 % interval, and whether it is good enough."""

    arm: str
    title: str
    mean: float
    low: float
    high: float
    reaches: bool

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


class Versus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure against another on the same rows. `p_value` is corrected for having picked the
    first of several arms (Bonferroni)."""

    difference: float
    low: float
    high: float
    p_value: float

    @property
    def better(self) -> bool:
        return self.difference > 0 and self.p_value < SIGNIFICANT

    @property
    def worse(self) -> bool:
        return self.difference < 0 and self.p_value < SIGNIFICANT

    def __str__(self) -> str:
        return f"{self.difference:+.2f} [{self.low:+.2f}, {self.high:+.2f}], p = {self.p_value:.3g}"


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured on `rows` held-out rows by `metric` (in words).

    `target` None: the metric is no share of right answers, and figures are only compared.
    `floor`: the figure of always giving the commonest answer. `retrieval_gain`, `tuned_gain` are
    against the best prompting; `tuned_over_retrieval` compares these two. `documents`: the best
    retrieval is from documents, not from training rows; `found`: the share of rows with the answer
    in a passage that it gave. `examples_save`: nats an answer that
    examples in the prompt save. `pilot_rows`: the most rows that were trained on; `expected` the
    figure to expect at twice as many. `unknown`: what was not measured, each with its reason.
    """

    metric: str
    rows: int
    target: float | None
    prompting: Figure
    floor: float | None = None
    retrieval: Figure | None = None
    tuned: Figure | None = None
    retrieval_gain: Versus | None = None
    tuned_gain: Versus | None = None
    tuned_over_retrieval: Versus | None = None
    documents: bool = False
    found: float | None = None
    examples_save: tuple[float, float, float] | None = None
    pilot_rows: int | None = None
    expected: float | None = None
    unknown: tuple[str, ...] = ()

    @property
    def answer(self) -> Literal["fails", "partly", "works"] | None:
        """What the measurement answers to "how far does prompting get"; None where a figure alone
        cannot say, and nothing was found that is better."""
        if self.prompting.reaches:
            return "works"
        if self.target is None:
            return "partly" if self.retrieval_helps or self.tuned_helps else None
        return "partly" if self.prompting.mean >= self.target / 2 else "fails"

    @property
    def tuned_mean(self) -> float:
        """The figure of the pilot; 0 where there was none."""
        return 0.0 if self.tuned is None else self.tuned.mean

    @property
    def retrieval_helps(self) -> bool:
        return self.retrieval_gain is not None and self.retrieval_gain.better

    @property
    def tuned_helps(self) -> bool:
        return self.tuned_gain is not None and self.tuned_gain.better

    def verdict(self, *, changes: bool) -> Verdicts | None:
        """The approach that the figures alone support; None where none of them was shown to work.

        What reaches the target with the least is taken; else what was shown to be better.
        `changes`: the knowledge changes, so what is trained in would go out of date.
        """
        if self.prompting.reaches:
            return "prompting"
        if self.retrieval_helps and self.tuned_helps:
            over = self.tuned_over_retrieval
            assert self.retrieval is not None
            if over is not None and over.better and not changes:
                return "fine_tune"
            return "rag" if self.retrieval.reaches else "fine_tune_rag"
        if self.retrieval_helps:
            return "rag"
        if self.tuned_helps:
            return "fine_tune_rag" if changes else "fine_tune"
        return "collect_data" if self.more_rows_promise else None

    @property
    def more_rows_promise(self) -> bool:
        """The pilot was not shown to be better, and its curve says that more rows may be."""
        if self.tuned is None or self.expected is None:
            return False
        return self.expected > self.prompting.mean + _WORTH and self.expected > self.tuned.mean

    def figure_of(self, verdict: Verdicts) -> Figure:
        """The figure that belongs to a verdict; that of the best prompt where it has none."""
        own = {"rag": self.retrieval, "fine_tune": self.tuned, "fine_tune_rag": self.tuned}
        return own.get(verdict) or self.prompting

    def short_of_target(self, verdict: Verdicts) -> str | None:
        """That the figure of a verdict is below what was asked for, in words; None where it is
        not, or where figures are only compared."""
        figure = self.figure_of(verdict)
        if self.target is None or figure.reaches:
            return None
        return f"{figure.mean:.2f} is below the {self.target:g} that was asked for"

    def headline(self) -> str:
        """The figures in a line: "exact match on 50 rows: prompting 0.10 [...], …"."""
        parts = [f"prompting {self.prompting} ({self.prompting.title})"]
        if self.retrieval is not None:
            parts.append(f"retrieval {self.retrieval} ({self.retrieval.title})")
        if self.tuned is not None:
            parts.append(f"pilot {self.tuned} ({self.tuned.title})")
        return f"{self.metric} on {self.rows} rows: " + "; ".join(parts)


def measured_of(evidence: Evidence, pilot: Pilot | None, seed: int) -> Measured:
    """The figures of the best arm of each group, and the paired tests between them."""
    prompting, retrieval = evidence.best("prompting"), evidence.best("retrieval")
    assert prompting is not None
    floor = evidence.arm("same")
    tuned = pilot.points[-1].arm if pilot and pilot.points else None
    primary, target = evidence.primary, evidence.target
    counts = {
        group: max(1, sum(arm.group == group for arm in evidence.arms))
        for group in ("prompting", "retrieval")
    }

    def figure(arm: Arm) -> Figure:
        found = arm.figures[primary]
        enough = target is not None and found.mean >= target
        # Right as often as one answer for all is not an answer to the question.
        above = floor is None or found.low > floor.figures[primary].mean
        return Figure(arm.id, arm.title, found.mean, found.low, found.high, enough and above)

    def against(arm: Arm | None, other: Arm | None, picked: int) -> Versus | None:
        if arm is None or other is None:
            return None
        test = _paired(arm.scores[primary], other.scores[primary], primary, seed)
        d = test.difference
        return Versus(d.mean, d.low, d.high, min(1.0, test.p_value * picked))

    saved = evidence.examples_help
    return Measured(
        metric=NAMES[primary],
        rows=len(evidence.rows),
        target=target,
        prompting=figure(prompting),
        floor=None if floor is None else floor.figures[primary].mean,
        retrieval=None if retrieval is None else figure(retrieval),
        tuned=None if tuned is None else figure(tuned),
        retrieval_gain=against(retrieval, prompting, counts["retrieval"]),
        tuned_gain=against(tuned, prompting, 1),
        tuned_over_retrieval=against(tuned, retrieval, 1),
        found=None if retrieval is None else retrieval.found,
        documents=retrieval is not None and retrieval.id.startswith("retrieve_documents"),
        examples_save=None if saved is None else (saved.mean, saved.low, saved.high),
        pilot_rows=pilot.points[-1].rows if pilot and pilot.points else None,
        expected=pilot.expected if pilot else None,
        unknown=_unknown(evidence, pilot),
    )


def _unknown(evidence: Evidence, pilot: Pilot | None) -> tuple[str, ...]:
    found = []
    if evidence.no_likelihood:
        found.append(f"how likely the wanted answers are: {evidence.no_likelihood}")
    if pilot is None and evidence.served_as is not None:
        found.append(
            "what a training would bring: a model at a server cannot be trained; where its folder "
            "is at hand, measure that: --model FOLDER"
        )
    elif pilot is not None and not pilot.points:
        found.append(f"what a training would bring: {pilot.verdict}")
    return tuple(found)


def _paired(
    now: tuple[float, ...], before: tuple[float, ...], primary: str, seed: int
) -> PairedTest:
    if primary in YES_OR_NO:
        return compare_binary([int(x) for x in before], [int(x) for x in now], seed=seed)
    return compare_means(before, now, seed=seed)
