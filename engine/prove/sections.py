"""The part of a report that shows the proof: figures, the test, and answers side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from tunewright.engine.prove.baseline import Baseline
from tunewright.engine.prove.evaluate import Comparison, Evaluation
from tunewright.engine.prove.markdown import fenced, figure_names, proof_table, table
from tunewright.engine.prove.statistics import PairedTest, p_text
from tunewright.engine.run.changes import Changes
from tunewright.engine.run.events import Sample

# The first rows, whatever was answered, and then some that the tuned model got wrong.
_FIRST = 6
_MISSES = 4
# Rows whose answers are shown as they changed, and answers of each.
_CHANGING, _SPREAD = 4, 6


def proof_section(baseline: Baseline | None, evaluation: Evaluation | None) -> Iterator[str]:
    """Table of figures with intervals, what limits them, and the paired tests."""
    proof = evaluation or baseline
    if proof is None:
        return
    yield f"## Measured on {len(proof.rows)} held-out rows"
    yield ""
    yield proof_table(evaluation, baseline)
    yield ""
    yield (
        "In brackets: 95 % intervals (percentile bootstrap over rows; exact bounds where all rows "
        "are equal). Perplexity is that of the reference answers, masked like training."
    )
    yield from _limits(baseline, evaluation)
    if evaluation is not None and evaluation.comparison is not None:
        yield ""
        yield from _comparison(evaluation.comparison, evaluation)


def answers_section(baseline: Baseline | None, evaluation: Evaluation | None) -> Iterator[str]:
    """Answers side by side: the first rows, then more that the tuned model got wrong."""
    proof = evaluation or baseline
    if proof is None:
        return
    shown = list(range(min(_FIRST, len(proof.rows))))
    yield "## Answers side by side"
    yield ""
    if evaluation is not None:
        exact = evaluation.tuned.scores.exact
        misses = [i for i, right in enumerate(exact) if not right and i not in shown][:_MISSES]
        told = f"The first {len(shown)} rows, not picked by outcome"
        yield (
            f"{told}, and {len(misses)} more that the tuned model got wrong."
            if misses
            else (f"{told}.")
        )
        shown += misses
    for index in shown:
        yield ""
        yield f"### Held-out row {proof.rows[index] + 1}"
        for name, text in _texts(index, proof.wants[index], baseline, evaluation):
            yield ""
            yield name
            yield ""
            yield fenced(text)


def changes_section(changes: Changes) -> Iterator[str]:
    """The rows that were asked again and again while it trained, from the base model on."""
    if not changes.rows:
        return
    yield "## How answers changed in training"
    for row in changes.rows[:_CHANGING]:
        answers = changes.of(row)
        yield ""
        yield f"### Held-out row {row + 1}, in training"
        asked = answers[0].asked
        for name, text in [
            *([("Asked last:", asked)] if asked else []),
            ("Wanted:", answers[0].want),
            *((f"{_when(answer)}:", answer.got) for answer in _spread(answers)),
        ]:
            yield ""
            yield name
            yield ""
            yield fenced(text)


def _spread(answers: Sequence[Sample]) -> list[Sample]:
    """The first, the last, and some between them that differ from the one before."""
    changed = [
        answer
        for before, answer in itertools.pairwise(answers)
        if answer.got != before.got and answer is not answers[-1]
    ]
    gap = max(1, -(-len(changed) // (_SPREAD - 2)))
    return [answers[0], *changed[::gap], *answers[1:][-1:]]


def _when(answer: Sample) -> str:
    """What answered: a stage, or the model as it was after a step."""
    cut = ", cut" if answer.cut else ""
    if answer.step is None:
        return "Tuned"
    same = ", as wanted" if answer.got == answer.want else ""
    return f"Step {answer.step:,}{cut}{same}" if answer.step else f"Base{cut}{same}"


def _limits(baseline: Baseline | None, evaluation: Evaluation | None) -> Iterator[str]:
    proof = evaluation or baseline
    if proof is not None and proof.left_out:
        yield f"{proof.left_out} rows did not fit the model's context and were left out."
    measured = []
    if baseline is not None:
        measured.append(("base without examples", baseline.zero_shot))
        if baseline.few_shot is not None:
            measured.append((f"base with {baseline.few_shot.shots} examples", baseline.few_shot))
    if evaluation is not None:
        measured.append(("tuned model", evaluation.tuned))
    cut = [f"{m.cut} of the {name}" for name, m in measured if m.cut]
    if cut:
        yield f"Answers cut at the token limit: {', '.join(cut)}."


def _comparison(comparison: Comparison, evaluation: Evaluation) -> Iterator[str]:
    shots = comparison.base_shots
    base = f"{shots} examples" if shots else "no examples"
    yield f"Row by row against the base at its best ({base}):"
    yield ""
    names = figure_names(evaluation)
    yield table(
        ["figure", "difference", "rows won", "rows lost", "paired test"],
        (
            [name, _points(test), str(test.won), str(test.lost), f"{p_text(test.p_value)}, "
             f"{test.test}"]
            for field, name in names.items()
            if (test := getattr(comparison, field)) is not None
        ),
    )  # fmt: skip


def _points(test: PairedTest) -> str:
    d = test.difference
    return f"{100 * d.mean:+.1f} points [{100 * d.low:+.0f}, {100 * d.high:+.0f}]"


def _texts(
    index: int, want: str, baseline: Baseline | None, evaluation: Evaluation | None
) -> Iterator[tuple[str, str]]:
    yield "Wanted:", want
    if baseline is not None:
        best = baseline.best()
        with_ = f"{best.shots} examples" if best.shots else "no examples"
        yield f"Base, {with_} ({_mark(best.scores.exact[index])}):", best.answers[index]
    if evaluation is not None:
        tuned = evaluation.tuned
        yield f"Tuned ({_mark(tuned.scores.exact[index])}):", tuned.answers[index]


def _mark(exact: int) -> str:
    return "exact" if exact else "not exact"
