"""Figures and rules together: who spoke, what the figures support, and that they decide alone only
where they show something."""

from __future__ import annotations

import msgspec
import pytest
from measured_figures import arm, evidence, facts, figures

from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import Facts
from tunewright.engine.decide.measured import Measured, measured_of
from tunewright.engine.decide.next_step import Named
from tunewright.engine.suspect.trouble import Trouble


@pytest.mark.parametrize(
    ("measured", "verdict", "rule"),
    [
        (figures(46), "prompting", "measured.prompting_suffices"),
        (figures(46, 50, 50), "prompting", "measured.prompting_suffices"),
        (figures(2, 45), "rag", "measured.retrieval_wins"),
        (figures(2, 45, 4), "rag", "measured.retrieval_wins"),
        (figures(2, 3, 45), "fine_tune", "measured.training_wins"),
        (figures(2, 20, 45), "fine_tune", "measured.training_wins"),
        (figures(2, 45, 45), "rag", "measured.retrieval_wins"),
        (figures(2, 25, 25), "fine_tune_rag", "measured.both_win"),
        (figures(2, 3, 5, expected=0.4), "collect_data", "measured.more_rows_promise"),
    ],
)
def test_what_the_figures_support_is_the_verdict(
    measured: Measured, verdict: str, rule: str
) -> None:
    found = decide(Answers(external_lookup=False), facts(measured))
    assert found.verdict == verdict
    assert found.measured
    assert found.spoke in ("measurement", "both")
    told = {reason.rule: reason for reason in found.because}
    assert told[rule].basis == "measured"
    assert "on 50 rows, 95 % CI" in told[rule].sentence
    assert found.measurement == measured.headline()


def test_the_sentence_has_the_figure_the_rows_and_the_interval() -> None:
    found = decide(Answers(), facts(figures(46)))
    told = next(r.sentence for r in found.because if r.rule == "measured.prompting_suffices")
    assert "0.92 exact match on 50 rows, 95 % CI 0.84 to 0.98" in told
    assert "fine-tuning is not needed yet" in told


def test_rules_alone_speak_where_nothing_was_shown() -> None:
    found = decide(Answers(external_lookup=False), facts(figures(2, 3, 4)))
    assert found.spoke == "rules"
    assert found.confidence == "low"
    assert "nothing that was measured was shown to be good enough" in found.confidence_because
    assert "measured.no_gain_by_training" in {r.rule for r in (*found.because, *found.against)}
    assert found.verdict != "fine_tune"


def test_a_small_gain_on_few_rows_is_no_gain() -> None:
    measured = figures(20, 23, 24)
    assert not measured.retrieval_helps
    assert not measured.tuned_helps
    assert measured.verdict(changes=False) is None


def test_both_speak_where_rules_come_to_the_same() -> None:
    answers = Answers(
        external_lookup=False, prompting="fails", knowledge="none", behaviour=True, quality="high"
    )
    found = decide(answers, facts(figures(2, 3, 45)))
    assert (found.verdict, found.spoke) == ("fine_tune", "both")
    known = Answers(external_lookup=False, prompting="works")
    assert decide(known, facts(figures(46))).spoke == "both"
    assert decide(Answers(prompting="fails"), facts(figures(46))).spoke == "measurement"


def test_a_measurement_that_contradicts_an_answer_says_so() -> None:
    found = decide(Answers(prompting="works", external_lookup=False), facts(figures(2, 3, 45)))
    assert found.verdict == "fine_tune"
    told = [r.sentence for r in found.because]
    assert "you said that prompting works; measured, it fails" in told
    assert found.confidence != "high"
    better = decide(Answers(prompting="fails"), facts(figures(46)))
    assert "you said that prompting fails; measured, it works" in [
        r.sentence for r in better.because
    ]


def test_live_lookups_are_not_settled_by_figures() -> None:
    found = decide(Answers(external_lookup=True), facts(figures(46)))
    assert (found.verdict, found.spoke) == ("tools", "rules")


def test_knowledge_that_changes_is_not_trained_in() -> None:
    answers = Answers(external_lookup=False, knowledge="changes_daily")
    assert decide(answers, facts(figures(2, 20, 48))).verdict == "fine_tune_rag"
    assert decide(answers, facts(figures(2, 2, 48))).verdict == "fine_tune_rag"


def test_broken_rows_let_no_figure_speak() -> None:
    bad = Trouble("copied", 500, 600, "copied", "write the answers", True)
    found = decide(Answers(external_lookup=False), facts(figures(46), troubles=(bad,)))
    assert not found.measured
    assert found.spoke == "rules"
    assert found.repair == (bad,)
    refused = facts(figures(46), troubles=(bad,), refused=True)
    found = decide(Answers(external_lookup=False), refused)
    assert found.verdict == "collect_data"
    assert "measured.refused" in {reason.rule for reason in found.because}
    assert found.next_step.sentence.startswith("repair first: copied; write the answers")


def test_no_better_than_one_answer_for_all_is_not_good_enough() -> None:
    same = arm("same", "floor", 45)
    measured = measured_of(evidence(same, arm("few_shot", "prompting", 46)), None, seed=1)
    assert not measured.prompting.reaches
    alone = measured_of(evidence(arm("few_shot", "prompting", 46)), None, seed=1)
    assert alone.prompting.reaches


def test_free_text_has_no_target_and_is_only_compared() -> None:
    arms = (arm("few_shot", "prompting", 20), arm("retrieve_rows", "retrieval", 45))
    measured = measured_of(evidence(*arms, target=None), None, seed=1)
    assert not measured.prompting.reaches
    assert measured.answer == "partly"
    assert measured.verdict(changes=False) == "rag"
    alone = measured_of(evidence(arms[0], target=None), None, seed=1)
    assert alone.answer is None
    assert alone.verdict(changes=False) is None


def test_picking_the_best_of_several_is_corrected_for() -> None:
    one = figures(20, 30).retrieval_gain
    arms = [arm("few_shot", "prompting", 20)]
    arms += [arm(f"retrieve_{n}", "retrieval", 30 - n) for n in range(4)]
    four = measured_of(evidence(*arms), None, seed=1).retrieval_gain
    assert one is not None
    assert four is not None
    assert four.difference == one.difference
    assert four.p_value == pytest.approx(min(1.0, 4 * one.p_value))


def test_an_interval_below_the_target_costs_confidence() -> None:
    found = decide(Answers(external_lookup=False), facts(figures(44)))
    assert found.verdict == "prompting"
    assert found.confidence == "medium"
    assert "the figure could also be 0.78" in found.confidence_because


@pytest.mark.parametrize(
    ("measured", "command"),
    [
        (figures(46), "tunewright ask run-1"),
        (figures(2, 45), "tunewright ask run-1"),
        (figures(2, 3, 45), "tunewright train MODEL DATA"),
        (figures(2, 25, 25), "tunewright train MODEL KIT/train.jsonl --eval-data KIT/eval.jsonl"),
        (figures(2, 3, 5, expected=0.4), "tunewright decide --data DATA --model MODEL"),
    ],
)
def test_every_measured_verdict_ends_in_a_command(measured: Measured, command: str) -> None:
    named = Named(run="run-1", kit="KIT")
    found = decide(Answers(external_lookup=False), facts(measured), named)
    assert found.next_step.command == command


@pytest.mark.parametrize("verdict", ["fine_tune", "prompting"])
def test_a_model_at_a_server_is_not_trained_under_its_url(verdict: str) -> None:
    measured = figures(2, 3, 45) if verdict == "fine_tune" else figures(46)
    named = Named(run="run-1", kit="KIT", model="http://127.0.0.1:8000/v1")
    found = decide(Answers(external_lookup=False), facts(measured), named)
    assert found.verdict == verdict
    assert "http" not in found.next_step.command
    assert "serve.sh" not in found.next_step.sentence


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (1.0, "it is read badly, not missed: measure a larger model"),
        (0.5, "for 50% of the questions only: more passages"),
        (None, "more passages (--passages) or a larger model"),
    ],
)
def test_a_figure_that_is_best_and_low_says_both(share: float | None, told: str) -> None:
    """Retrieval beats the rest by far, and is below what was asked for."""
    measured = msgspec.structs.replace(figures(1, 20), found=share)
    found = decide(Answers(external_lookup=False), facts(measured), Named(run="r", kit="KIT"))
    assert found.verdict == "rag"
    assert found.confidence != "high"
    short = "0.40 is below the 0.85 that was asked for"
    assert short in found.confidence_because
    assert short in next(r.sentence for r in found.because if r.rule == "measured.retrieval_wins")
    assert told in found.next_step.sentence
    good = decide(Answers(external_lookup=False), facts(figures(1, 48)), Named(run="r", kit="K"))
    assert "below" not in good.next_step.sentence


def test_what_a_server_cannot_tell_is_said_with_its_reason() -> None:
    served = msgspec.structs.replace(
        evidence(arm("few_shot", "prompting", 2)), served_as="m", no_likelihood="it does not say"
    )
    likely, training = decide(Answers(), facts(measured_of(served, None, seed=1))).not_measured
    assert likely == "how likely the wanted answers are: it does not say"
    assert "--model FOLDER" in training
    assert decide(Answers(), facts(figures(2, 3, 4))).not_measured == ()


def test_facts_with_figures_are_written_and_read_the_same() -> None:
    known = facts(figures(2, 25, 25))
    assert msgspec.json.decode(msgspec.json.encode(known), type=Facts) == known


def test_a_machine_on_which_nothing_fits_costs_a_training_its_confidence() -> None:
    answers = Answers(
        external_lookup=False, prompting="fails", knowledge="none", behaviour=True, quality="high",
        examples=800, preference_pairs=0,
    )  # fmt: skip
    assert decide(answers, Facts(fits=True)).confidence == "high"
    found = decide(answers, Facts(fits=False))
    assert (found.verdict, found.confidence) == ("fine_tune", "low")
    assert "hardware.nothing_fits" in {reason.rule for reason in found.against}
    works = decide(Answers(external_lookup=False, prompting="works"), Facts(fits=False))
    assert works.confidence == "high"


def test_rows_longer_than_the_context_are_told_before_a_training() -> None:
    answers = Answers(
        external_lookup=False, prompting="fails", knowledge="none", behaviour=True, quality="high"
    )
    found = decide(answers, Facts(rows=800, duplicate_rows=0, too_long=720))
    told = {reason.rule: reason.sentence for reason in found.against}
    assert "720 of 800 rows are longer than the model's context" in told["data.too_long"]
    few = decide(answers, Facts(rows=800, duplicate_rows=0, too_long=10))
    assert "data.too_long" not in {reason.rule for reason in (*few.against, *few.because)}
