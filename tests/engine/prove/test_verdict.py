"""What is claimed is what was shown: against the base at its best, with a paired test."""

from __future__ import annotations

import pytest

from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import compare, verdict
from tunewright.engine.prove.likelihood import Likelihood
from tunewright.engine.prove.measure import Measured
from tunewright.engine.prove.score import AnswerKind, score_answers
from tunewright.engine.prove.statistics import bootstrap_interval, p_text, percent

WANTS = tuple(f'{{"qty": {n}, "name": "Ada"}}' for n in range(40))


def measured(gots: tuple[str, ...], shots: int = 0, kind: AnswerKind = "json") -> Measured:
    scores = score_answers(WANTS, gots, kind)
    return Measured(
        shots=shots,
        answers=gots,
        answer_tokens=tuple(len(got) for got in gots),
        cut=0,
        scores=scores,
        exact=bootstrap_interval(scores.exact, seed=1),
        f1=bootstrap_interval(scores.f1, seed=1),
        valid=bootstrap_interval(scores.valid, seed=1) if scores.valid else None,
        shared_tokens=0,
        seconds=1.0,
    )


def right(count: int) -> tuple[str, ...]:
    """The first `count` answers as wanted, prose in place of the others."""
    return (*WANTS[:count], *["Ada wants some."] * (len(WANTS) - count))


def baseline(zero: int, few: int, kind: AnswerKind = "json") -> Baseline:
    return Baseline(
        figures={},
        verdict="",
        kind=kind,
        primary="f1" if kind == "text" else "exact",
        rows=tuple(range(40)),
        left_out=0,
        wants=WANTS,
        max_new_tokens=8,
        zero_shot=measured(right(zero), kind=kind),
        few_shot=measured(right(few), shots=3, kind=kind),
        likelihood=Likelihood(1.0, 2.7, 1, (1.0,), (1,)),
        threads=None,
        seconds=1.0,
    )


def test_a_clear_gain_is_told_against_the_stronger_base() -> None:
    base, tuned = baseline(0, 4), measured(right(34))
    comparison = compare(base, tuned, "exact", seed=1)
    assert comparison.base_shots == 3
    assert comparison.outcome == "better"
    assert (comparison.exact.won, comparison.exact.lost) == (30, 0)
    said = verdict(tuned, base, comparison, "exact")
    assert said.startswith("tuned 85.0 % [")
    assert "against base few-shot 10.0 % [" in said
    assert said.endswith("better (paired p < 1e-6, 30 rows won, 0 lost)")


def test_examples_that_hurt_do_not_weaken_the_base() -> None:
    assert compare(baseline(9, 2), measured(right(34)), "exact", seed=1).base_shots == 0


def test_a_small_gain_is_not_claimed() -> None:
    base, tuned = baseline(0, 30), measured(right(33))
    comparison = compare(base, tuned, "exact", seed=1)
    assert comparison.exact.p_value == pytest.approx(0.25)
    assert "no difference shown" in verdict(tuned, base, comparison, "exact")


def test_a_model_that_got_worse_is_told_to_be_worse() -> None:
    comparison = compare(baseline(0, 35), measured(right(10)), "exact", seed=1)
    assert comparison.outcome == "worse"


def test_free_text_is_decided_by_word_f1() -> None:
    base = baseline(2, 3, kind="text")
    tuned = measured(right(39), kind="text")
    comparison = compare(base, tuned, "f1", seed=1)
    assert comparison.outcome == "better"
    assert comparison.valid is None
    assert "word F1" in verdict(tuned, base, comparison, "f1")


def test_figures_are_written_as_people_read_them() -> None:
    assert percent(bootstrap_interval([1.0] * 27 + [0.0] * 5, seed=1)).startswith("84.4 % [")
    assert p_text(0.0312) == "p = 0.031"
    assert p_text(4e-4) == "p < 1e-3"
    assert p_text(0.0) == "p < 1e-12"
    assert p_text(1.0) == "p = 1.000"
