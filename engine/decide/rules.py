"""The rules of the decision, in the order in which they are told.

A rule is a row: when it fires, what it speaks for and against and how strongly, its sentence, and
where it comes from. Weights are ours, chosen so that the sources' own verdicts come out; what they
add up to is read by `settle`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from tunewright.engine.decide.answers import Prompting
from tunewright.engine.decide.case import ENOUGH, FEW, Case
from tunewright.engine.decide.guide import Verdicts, checklist, table
from tunewright.engine.decide.measured import Figure, Measured

SLIGHT, CLEAR, STRONG, VERY_STRONG, DECIDES = 1, 2, 3, 4, 9
# Outweighs all that can speak for training together: no source advises it before a prompt was
# tried.
FIRST = 5

Effects = tuple[tuple[Verdicts, int], ...]


class Rule(NamedTuple):
    """`effects`: approach and weight, above 0 for and below 0 against it. `doubt`: how much the
    verdict loses in confidence when the rule fires."""

    id: str
    when: Callable[[Case], bool]
    effects: Effects
    sentence: Callable[[Case], str]
    source: str
    doubt: Literal["", "some", "much"] = ""


def _said(text: str) -> Callable[[Case], str]:
    return lambda _: text


MEASURED = "measured on your held-out rows"
DATA_CHECKLIST = (
    "data quality checklist: correct and high-quality outputs (garbage in, garbage out), no exact "
    "or near-duplicates"
)
_A_LITTLE = 0.02
# As many cut rows as planning lets pass.
_MOST_TOO_LONG = 0.05
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


def _versus(case: Case, test: Literal["retrieval_gain", "tuned_gain"]) -> str:
    return str(getattr(_m(case), test))


def _short(case: Case, verdict: Verdicts) -> str:
    told = _m(case).short_of_target(verdict)
    return f"; better than the rest, and {told}" if told else ""


def _target(case: Case) -> str:
    target = _m(case).target
    return "no figure" if target is None else f"{target:g}"


def _trouble(id: str, *, severe: bool) -> Callable[[Case], bool]:
    def when(case: Case) -> bool:
        found = case.facts.trouble(id)
        return found is not None and found.severe == severe

    return when


def _repair(id: str) -> Callable[[Case], str]:
    def sentence(case: Case) -> str:
        found = case.facts.trouble(id)
        assert found is not None
        return f"{found.message}: {found.repair}"

    return sentence


def _trouble_rules() -> tuple[Rule, ...]:
    """For each thing that can be wrong with rows: it stops a training, or it is only told."""
    rules = []
    for id in ("repeats", "copied", "truncated", "unrelated", "leaked"):
        stops = id != "leaked"
        rules.append(
            Rule(
                f"data.{id}_most",
                _trouble(id, severe=True),
                (("collect_data", STRONG if stops else SLIGHT),),
                _repair(id),
                DATA_CHECKLIST,
                "" if stops else "some",
            )
        )
        if id != "repeats":
            rules.append(
                Rule(
                    f"data.{id}",
                    _trouble(id, severe=False),
                    (("collect_data", SLIGHT),),
                    _repair(id),
                    DATA_CHECKLIST,
                    "some",
                )
            )
    return tuple(rules)


def _same_answer(case: Case) -> str:
    found = case.facts.trouble("constant")
    if found is None or found.rows == found.of:
        return f"all {case.facts.rows:,} rows have the same answer"
    return f"{found.rows:,} of {found.of:,} rows have the same answer"


def _first_prompt(told: str) -> str:
    return (
        f"{told}: an instruction and a few examples in the prompt cost minutes, and show what is "
        "missing"
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "lookup.live",
        lambda c: c.external_lookup is True,
        (("tools", DECIDES), ("fine_tune", -CLEAR)),
        _said(
            "live lookups or actions are needed: no training and no stored index holds what is "
            "only known at the time of the question, a tool call does"
        ),
        checklist("external"),
    ),
    Rule(
        "lookup.and_works",
        lambda c: c.external_lookup is True and c.prompting == "works",
        (("prompting", SLIGHT),),
        _said(
            "prompting is said to work, and live lookups are said to be needed: one of the two is "
            "only partly so"
        ),
        "consistency of the answers",
        "some",
    ),
    Rule(
        "lookup.and_behaviour",
        lambda c: c.external_lookup is True and c.behaviour is True and c.prompting == "fails",
        (("fine_tune", CLEAR),),
        _said(
            "new behaviour is wanted as well and prompting fails at it: it can be trained later, "
            "on recorded conversations with the tools"
        ),
        table("fine_tune"),
        "some",
    ),
    Rule(
        "data.unmeasurable",
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
            f"{_figure(c, 'retrieval')}, {_versus(c, 'retrieval_gain')} over the best prompting"
            + _short(c, "rag")
        ),
        MEASURED,
    ),
    Rule(
        "measured.training_wins",
        lambda c: c.by_measurement == "fine_tune",
        (("fine_tune", DECIDES),),
        lambda c: (
            f"{_figure(c, 'tuned')}, {_versus(c, 'tuned_gain')} over the best prompting"
            + _short(c, "fine_tune")
        ),
        MEASURED,
    ),
    Rule(
        "measured.both_win",
        lambda c: c.by_measurement == "fine_tune_rag",
        (("fine_tune_rag", DECIDES),),
        lambda c: (
            f"{_figure(c, 'tuned')}, {_versus(c, 'tuned_gain')} over the best prompting; "
            + (
                f"{_figure(c, 'retrieval')}, {_versus(c, 'retrieval_gain')} over it"
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
        lambda c: f"you said that prompting {_SAID[c.said]}; measured, it {_SAID[c.prompting]}",
        MEASURED,
        "some",
    ),
    Rule(
        "measured.worse_than_said",
        lambda c: _known(c) and _GRADE.get(c.said, 0) > _GRADE.get(c.prompting, 9),
        (("prompting", -SLIGHT),),
        lambda c: f"you said that prompting {_SAID[c.said]}; measured, it {_SAID[c.prompting]}",
        MEASURED,
        "some",
    ),
    Rule(
        "prompting.works",
        lambda c: c.prompting == "works" and c.by_measurement is None,
        (("prompting", DECIDES), ("fine_tune", -STRONG)),
        _said("prompting already works well enough: the cheapest approach, with the least upkeep"),
        checklist("works"),
    ),
    Rule(
        "prompting.works_at_a_price",
        lambda c: (
            c.prompting == "works" and (c.latency_critical is True or c.token_cost_critical is True)
        ),
        (("fine_tune", SLIGHT),),
        _said(
            "it works at a price: latency or token cost is critical, and a tuned model needs a "
            "shorter prompt"
        ),
        checklist("tokens"),
        "some",
    ),
    Rule(
        "prompting.works_until_it_changes",
        lambda c: c.prompting == "works" and c.knowledge in ("changes_monthly", "changes_daily"),
        (("rag", SLIGHT),),
        _said(
            "the knowledge in the prompt changes and has to be renewed by hand; retrieval would "
            "renew it by itself"
        ),
        checklist("changes"),
        "some",
    ),
    Rule(
        "prompting.untried",
        lambda c: c.prompting == "untried",
        (("prompting", FIRST), ("fine_tune", -FIRST)),
        _said(_first_prompt("prompting has not been tried")),
        table("prompting"),
    ),
    Rule(
        "prompting.not_said",
        lambda c: c.prompting is None,
        (("prompting", VERY_STRONG), ("fine_tune", -VERY_STRONG)),
        _said(_first_prompt("nothing says that prompting was tried")),
        table("prompting"),
    ),
    Rule(
        "prompting.fails",
        lambda c: c.prompting == "fails" and c.blamed_on_behaviour,
        (("fine_tune", VERY_STRONG), ("prompting", -STRONG)),
        _said("prompting was tried and does not reach the output that is wanted"),
        checklist("format"),
    ),
    Rule(
        "prompting.partly",
        lambda c: c.prompting == "partly" and c.blamed_on_behaviour,
        (("fine_tune", CLEAR), ("prompting", SLIGHT)),
        _said("prompting gets there only in part: it does not give the consistency that is needed"),
        checklist("consistent"),
    ),
    Rule(
        "prompting.lacks_knowledge",
        lambda c: c.prompting in ("fails", "partly") and not c.blamed_on_behaviour,
        (("rag", SLIGHT),),
        _said(
            "prompting falls short where the answers need knowledge that the model does not have: "
            "that alone can be the cause"
        ),
        table("rag"),
    ),
    Rule(
        "prompting.nothing_missing",
        lambda c: (
            c.prompting in ("fails", "partly")
            and c.behaviour is False
            and c.knowledge == "none"
            and c.external_lookup is not True
        ),
        (("prompting", SLIGHT),),
        _said(
            "prompting falls short, yet neither new behaviour, nor knowledge, nor lookups are said "
            "to be missing: these answers conflict; examples in the prompt, or a larger model, may "
            "be all that is needed"
        ),
        "consistency of the answers",
        "much",
    ),
    Rule(
        "behaviour.new",
        lambda c: c.behaviour is True,
        (("fine_tune", CLEAR),),
        _said("a new style, format or skill is wanted: that is what training changes"),
        table("fine_tune"),
    ),
    Rule(
        "behaviour.known",
        lambda c: c.behaviour is False,
        (("prompting", SLIGHT), ("fine_tune", -SLIGHT)),
        _said("no new style, format or skill is wanted: instructions can ask for what is there"),
        table("prompting"),
    ),
    Rule(
        "knowledge.static",
        lambda c: c.knowledge == "static",
        (("rag", STRONG),),
        _said(
            "the answers need specific knowledge: retrieval gives it, can be checked, and learns "
            "facts more reliably than training does"
        ),
        table("rag") + "; Ovadia et al. 2023, arXiv:2312.05934",
    ),
    Rule(
        "knowledge.changes",
        lambda c: c.knowledge in ("changes_monthly", "changes_daily"),
        (("rag", STRONG + CLEAR), ("fine_tune", -SLIGHT)),
        lambda c: (
            "the knowledge changes "
            + ("daily" if c.knowledge == "changes_daily" else "monthly")
            + ": an index is updated in minutes, a trained model would be out of date each time"
        ),
        checklist("changes"),
    ),
    Rule(
        "knowledge.and_behaviour",
        lambda c: c.needs_knowledge and c.behaviour is True,
        (("fine_tune_rag", SLIGHT),),
        _said("both new behaviour and specific knowledge are wanted: each is had in its own way"),
        table("fine_tune_rag"),
    ),
    Rule(
        "retrieval.too_slow",
        lambda c: c.needs_knowledge and c.latency_critical is True,
        (("rag", -CLEAR),),
        _said(
            "latency is critical, and retrieval adds a search and a longer prompt to each answer"
        ),
        checklist("retrieval"),
    ),
    Rule(
        "retrieval.too_costly",
        lambda c: c.needs_knowledge and c.token_cost_critical is True,
        (("rag", -CLEAR),),
        _said("token cost is critical, and retrieved passages are paid for with each answer"),
        checklist("retrieval"),
    ),
    Rule(
        "latency.critical",
        lambda c: c.latency_critical is True,
        (("fine_tune", SLIGHT),),
        _said("latency is critical: a tuned model needs no long prompt, and can be a smaller one"),
        checklist("retrieval"),
    ),
    Rule(
        "tokens.critical",
        lambda c: c.token_cost_critical is True,
        (("fine_tune", SLIGHT),),
        _said("token cost is critical: what is trained need not be said in each prompt"),
        checklist("tokens"),
    ),
    Rule(
        "task.repetitive",
        lambda c: c.repetitive is True,
        (("fine_tune", SLIGHT),),
        _said("the task is repetitive and well defined: it pays to train it once"),
        checklist("repetitive"),
    ),
    Rule(
        "task.domain_terms",
        lambda c: c.domain_terms is True,
        (("fine_tune", SLIGHT),),
        _said("terms or reasoning of a special field are needed"),
        checklist("domain"),
    ),
    Rule(
        "data.constant",
        lambda c: c.facts.constant,
        (("collect_data", STRONG),),
        lambda c: f"{_same_answer(c)}: there is nothing in them to learn but that one answer",
        checklist("few"),
    ),
    Rule(
        "data.none",
        lambda c: c.examples == 0,
        (("collect_data", STRONG),),
        _said("there are no examples to train on"),
        checklist("few"),
    ),
    Rule(
        "data.few",
        lambda c: c.few and c.examples != 0,
        (("collect_data", STRONG),),
        lambda c: (
            f"{c.examples:,} distinct example{'s' if c.examples != 1 else ''}: under {FEW}, a "
            "model learns them by heart rather than the task"
        ),
        checklist("few"),
    ),
    Rule(
        "data.low_quality",
        lambda c: c.quality == "low",
        (("collect_data", STRONG),),
        lambda c: (
            f"{c.facts.conflicting_rows:,} of {c.facts.rows:,} rows have a prompt that another row "
            "answers otherwise: the model would learn the contradiction"
            if c.facts.quality == "low"
            else "the examples are of low quality, and a tuned model copies what it is shown"
        ),
        checklist("few"),
    ),
    Rule(
        "data.thin",
        lambda c: c.thin and c.quality not in ("high", "low"),
        (("collect_data", CLEAR),),
        lambda c: (
            f"{c.examples:,} examples lie between {FEW} and {ENOUGH}, where nobody can tell "
            "beforehand, and nothing says that they are good"
        ),
        "between two lines of the expert checklist: under 100, and 500 or more",
        "much",
    ),
    Rule(
        "data.thin_but_good",
        lambda c: c.thin and c.quality == "high",
        (("collect_data", SLIGHT),),
        lambda c: (
            f"{c.examples:,} good examples lie between {FEW} and {ENOUGH}: a small pilot can "
            "tell, a rule cannot (1,000 carefully chosen ones were enough for LIMA)"
        ),
        "between two lines of the expert checklist; Zhou et al. 2023, arXiv:2305.11206",
        "much",
    ),
    Rule(
        "data.enough",
        lambda c: c.enough and c.quality != "low" and not c.facts.constant,
        (("fine_tune", SLIGHT),),
        lambda c: (
            f"{c.examples:,} examples: {ENOUGH} or more are there"
            + ("" if c.examples is not None and c.examples >= 1000 else "; 1,000 are better")
        ),
        checklist("rows"),
    ),
    Rule(
        "data.repeats",
        lambda c: c.facts.duplicate_share >= 0.1,
        (("collect_data", SLIGHT),),
        lambda c: (
            f"{c.facts.duplicate_rows:,} of {c.facts.rows:,} rows repeat another one and teach "
            "nothing new"
        ),
        "data quality checklist: no exact or near-duplicates; Lee et al. 2022, arXiv:2107.06499",
        "some",
    ),
    Rule(
        "data.claimed",
        lambda c: c.claimed is not None,
        (("collect_data", SLIGHT),),
        lambda c: f"{c.claimed:,} examples were said; the rows hold {c.facts.distinct:,} distinct",
        "count of the rows",
        "some",
    ),
    Rule(
        "data.contradicts",
        lambda c: c.facts.quality is not None and c.quality == "high",
        (("collect_data", SLIGHT),),
        lambda c: (
            f"the examples are said to be of high quality, yet {c.facts.conflicting_rows:,} of "
            f"{c.facts.rows:,} rows have a prompt that another row answers otherwise"
        ),
        "count of the rows",
        "some",
    ),
    Rule(
        "data.too_long",
        lambda c: (c.facts.too_long or 0) > _MOST_TOO_LONG * (c.facts.rows or 0),
        (("collect_data", SLIGHT),),
        lambda c: (
            f"{c.facts.too_long:,} of {c.facts.rows:,} rows are longer than the model's context: "
            "the end of their answer would be cut; shorten them, or take a model with a longer one"
        ),
        "lengths of the rows under the model's tokenizer",
        "some",
    ),
    Rule(
        "hardware.nothing_fits",
        lambda c: c.facts.fits is False,
        (("fine_tune", -SLIGHT),),
        _said(
            "no training of this model fits this machine: another one is needed for it, or a "
            "smaller model"
        ),
        "predicted memory against what is free",
        "much",
    ),
    *_trouble_rules(),
)
