"""How sure a verdict is, and what keeps it from being surer."""

from __future__ import annotations

from tunewright.engine.decide.case import Case
from tunewright.engine.decide.guide import TRAINS, Verdicts
from tunewright.engine.decide.next_step import MANY_PIVOTS
from tunewright.engine.decide.questions import BY_ID
from tunewright.engine.decide.rules.measured import MEASURED
from tunewright.engine.decide.rules.rule import CLEAR, Rule
from tunewright.engine.decide.settle import decided
from tunewright.engine.decide.stance import stance
from tunewright.engine.decide.verdict import Confidence


def confidence_in(
    case: Case,
    verdict: Verdicts,
    rules: tuple[Rule, ...],
    still_open: tuple[str, ...],
    pivots: tuple[str, ...],
) -> tuple[Confidence, str]:
    """High without a doubt; medium with one or two; low with three or one that weighs much.

    High is never said while an open question could still change the verdict. `pivots` are those of
    them that could change it alone.
    """
    some: list[str] = []
    much: list[str] = []
    if still_open:
        shown = BY_ID[(pivots or still_open)[0]].text
        said = f"open questions could still change it, first: {shown}"
        (much if len(pivots) > MANY_PIVOTS else some).append(said)
    trains = verdict in TRAINS
    for rule in rules:
        about_rows = rule.family == "data"
        about_machine = rule.family == "hardware"
        concerns = trains or verdict == "collect_data"
        if rule.doubt == "much" and (concerns or not (about_rows or about_machine)):
            much.append(rule.sentence(case))
        elif rule.doubt == "some" and (stance(rule, verdict) < 0 or rule.source == MEASURED):
            some.append(rule.sentence(case))
    if decided(case) is None:
        weighty = [r for r in rules if stance(r, verdict) <= -CLEAR]
        if weighty:
            told = ", and ".join(rule.sentence(case) for rule in weighty)
            some.append(f"the answers do not all point one way: {told}")
    if trains:
        if case.examples is None:
            much.append("the examples have not been counted")
        if verdict == "fine_tune" and case.needs_knowledge:
            much.append("facts that are trained in are recalled less surely than facts looked up")
        if case.quality == "mixed":
            some.append("the examples are of mixed quality")
        elif (
            case.quality != "high"
            and "quality" not in still_open
            and case.by_measurement != verdict
        ):
            some.append("nobody has said how good the examples are")
    if case.facts.measured is not None and case.by_measurement is None and not case.facts.broken:
        much.append("nothing that was measured was shown to be good enough")
    some += _near(case, verdict)
    reasons = "; ".join([*much, *some])
    if much or len(some) > 2:
        return "low", reasons
    if some:
        return "medium", reasons
    return "high", "all that could change it is known, and nothing weighty speaks against it"


def _near(case: Case, verdict: Verdicts) -> list[str]:
    """A figure that is below the target, or may be."""
    measured = case.facts.measured
    if measured is None or measured.target is None or case.by_measurement != verdict:
        return []
    short = measured.short_of_target(verdict)
    if short is not None:
        return [f"it is the best that was measured, and {short}"]
    found = measured.prompting if verdict == "prompting" else None
    if found is None or found.low >= measured.target:
        return []
    return [
        f"with {measured.rows} rows the figure could also be {found.low:.2f}, below the "
        f"{measured.target:g} that was asked for"
    ]
