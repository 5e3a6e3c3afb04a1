"""What was measured on the person's own rows; where it decides, it goes before what was said."""

from __future__ import annotations

from typing import Literal

from tunewright.engine.decide.answers import Prompting
from tunewright.engine.decide.case import Case
from tunewright.engine.decide.guide import Verdicts
from tunewright.engine.decide.measured import Figure, Measured
from tunewright.engine.decide.rules.data import DATA_CHECKLIST
from tunewright.engine.decide.rules.rule import CLEAR, DECIDES, SLIGHT, STRONG, Rule

MEASURED = "measured on your held-out rows"
# A rise of the curve that is more than its noise.
_A_LITTLE = 0.02
_GRADE: dict[Prompting | None, int] = {"fails": 1, "partly": 2, "works": 3}
_SAID: dict[Prompting | None, str] = {
    "works": "works",
    "partly": "works in part",
    "fails": "fails",
    None: "is not known to work",
}


def _known(case: Case) -> bool:
    return case.facts.measured is not None and not case.facts.broken


def _m(case: Case) -> Measured:
    assert case.facts.measured is not None
    return case.facts.measured


def _figure(case: Case, group: Literal["prompting", "retrieval", "tuned"]) -> str:
    """One figure in words, as in "4 examples reach 0.91 exact match on 50 rows, CI 0.80-0.96"."""
    found: Figure = getattr(_m(case), group)
    return (
        f"{found.title}: {found.mean:.2f} {_m(case).metric} on {_m(case).rows} rows, 95 % CI "
        f"{found.low:.2f} to {found.high:.2f}"
    )


def _short(case: Case, verdict: Verdicts) -> str:
    told = _m(case).short_of_target(verdict)
    return f"; better than the rest, and {told}" if told else ""


def _target(case: Case) -> str:
    target = _m(case).target
    return "no figure" if target is None else f"{target:g}"


def _otherwise(case: Case) -> str:
    return f"you said that prompting {_SAID[case.said]}; measured, it {_SAID[case.prompting]}"


RULES = (
    Rule(
        "measured.refused",
        lambda c: c.facts.refused,
        (("collect_data", DECIDES),),
        lambda c: (
            "nothing was measured: on rows like these every figure would mislead. Repair first: "
            + c.facts.troubles[0].message
        ),
        DATA_CHECKLIST,
    ),
    Rule(
        "measured.prompting_suffices",
        lambda c: c.by_measurement == "prompting",
        (("prompting", DECIDES), ("fine_tune", -STRONG)),
        lambda c: (
            f"{_figure(c, 'prompting')}, and {_target(c)} was asked for: fine-tuning is not "
            "needed yet"
        ),
        MEASURED,
    ),
    Rule(
        "measured.retrieval_wins",
        lambda c: c.by_measurement == "rag",
        (("rag", DECIDES),),
        lambda c: (
            f"{_figure(c, 'retrieval')}, {_m(c).retrieval_gain} over the best prompting"
            + _short(c, "rag")
        ),
        MEASURED,
    ),
    Rule(
        "measured.training_wins",
        lambda c: c.by_measurement == "fine_tune",
        (("fine_tune", DECIDES),),
        lambda c: (
            f"{_figure(c, 'tuned')}, {_m(c).tuned_gain} over the best prompting"
            + _short(c, "fine_tune")
        ),
        MEASURED,
    ),
    Rule(
        "measured.both_win",
        lambda c: c.by_measurement == "fine_tune_rag",
        (("fine_tune_rag", DECIDES),),
        lambda c: (
            f"{_figure(c, 'tuned')}, {_m(c).tuned_gain} over the best prompting; "
            + (
                f"{_figure(c, 'retrieval')}, {_m(c).retrieval_gain} over it"
                if _m(c).retrieval_helps
                else "the knowledge changes, so it has to be retrieved"
            )
        ),
        MEASURED,
    ),
    Rule(
        "measured.more_rows_promise",
        lambda c: c.by_measurement == "collect_data",
        (("collect_data", DECIDES),),
        lambda c: (
            f"{_figure(c, 'tuned')}, not shown to be better than prompting; its curve promises "
            f"about {_m(c).expected or 0:.2f} with twice the {_m(c).pilot_rows or 0:,} rows"
        ),
        MEASURED,
        "some",
    ),
    Rule(
        "measured.prompting_short",
        lambda c: _known(c) and c.by_measurement != "prompting" and _m(c).target is not None,
        (("prompting", -SLIGHT),),
        lambda c: f"{_figure(c, 'prompting')}: below the {_target(c)} that was asked for",
        MEASURED,
    ),
    Rule(
        "measured.no_gain_by_retrieval",
        lambda c: _known(c) and _m(c).retrieval is not None and not _m(c).retrieval_helps,
        (("rag", -CLEAR),),
        lambda c: (
            f"{_figure(c, 'retrieval')}: not shown to be better than prompting "
            f"({_m(c).retrieval_gain})"
        ),
        MEASURED,
    ),
    Rule(
        "measured.no_gain_by_training",
        lambda c: _known(c) and _m(c).tuned is not None and not _m(c).tuned_helps,
        (("fine_tune", -STRONG),),
        lambda c: (
            f"{_figure(c, 'tuned')}: not shown to be better than prompting ({_m(c).tuned_gain})"
        ),
        MEASURED,
    ),
    Rule(
        "measured.examples_help",
        lambda c: _known(c) and (_m(c).examples_save or (0.0, 0.0, 0.0))[1] > 0,
        (("prompting", SLIGHT),),
        lambda c: (
            "examples in the prompt make the wanted answers likelier: {:.1f} nats an answer "
            "[{:.1f}, {:.1f}]".format(*(_m(c).examples_save or ()))
        ),
        MEASURED,
    ),
    Rule(
        "measured.more_rows_help",
        lambda c: (
            _known(c)
            and _m(c).tuned_helps
            and (_m(c).expected or 0.0) > _m(c).tuned_mean + _A_LITTLE
        ),
        (("fine_tune", SLIGHT),),
        lambda c: (
            f"the curve of the pilot still rises: about {_m(c).expected or 0:.2f} with twice the "
            f"{_m(c).pilot_rows or 0:,} rows"
        ),
        MEASURED,
    ),
    Rule(
        "measured.better_than_said",
        lambda c: _known(c) and _GRADE.get(c.said, 9) < _GRADE.get(c.prompting, 0),
        (("prompting", SLIGHT),),
        _otherwise,
        MEASURED,
        "some",
    ),
    Rule(
        "measured.worse_than_said",
        lambda c: _known(c) and _GRADE.get(c.said, 0) > _GRADE.get(c.prompting, 9),
        (("prompting", -SLIGHT),),
        _otherwise,
        MEASURED,
        "some",
    ),
)
