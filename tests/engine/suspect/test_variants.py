"""Bad rows in the forms in which they are really met: each is named, and nothing is trained."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tunewright.engine.data.read import read_examples
from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import Facts, facts_of_rows

Pairs = list[tuple[str, str]]
# Answers that lead to a training wherever the rows allow one.
WANTED = Answers(
    external_lookup=False, prompting="fails", knowledge="none", behaviour=True, quality="high",
    examples=800, preference_pairs=0, repetitive=True,
)  # fmt: skip
WORDS = (
    "river stone market window garden letter engine bridge winter music paper forest doctor planet "
    "kitchen ticket silver harbour coffee school orange lamp tower cloud basket hammer island"
).split()
SIGNS = {
    "billing": "invoice refund charge payment".split(),
    "shipping": "parcel courier delivery tracking".split(),
    "login": "password account signin locked".split(),
    "bug": "crash error freeze glitch".split(),
}
REFUND = "Refunds are given within 30 days."


def facts(pairs: Pairs, folder: Path) -> Facts:
    path = folder / "rows.jsonl"
    rows = [json.dumps({"prompt": asked, "completion": answer}) for asked, answer in pairs]
    path.write_text("\n".join(rows) + "\n")
    return facts_of_rows(read_examples(path).examples)


def some(draw: random.Random, count: int = 9) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(count))


def identical(_: random.Random) -> Pairs:
    return [("What is the refund policy?", REFUND)] * 800


def numbered(_: random.Random) -> Pairs:
    return [(f"Question {n}: what is the refund policy?", REFUND) for n in range(800)]


def numbered_on_both_sides(_: random.Random) -> Pairs:
    return [
        (f"Question {n}: what is the refund policy?", f"Answer {n}: {REFUND}") for n in range(800)
    ]


def numbered_in_a_word(_: random.Random) -> Pairs:
    return [(f"Tell me about order{n}", f"order{n} will be shipped soon.") for n in range(800)]


def constant_but_for_case(draw: random.Random) -> Pairs:
    answers = ("I cannot help with that.", "i cannot help with that", "I CANNOT HELP WITH THAT!")
    return [(some(draw), draw.choice(answers)) for _ in range(800)]


def constant_for_most(draw: random.Random) -> Pairs:
    return [(some(draw), some(draw) if n % 20 == 0 else "No idea.") for n in range(800)]


def alike_but_for_case_and_marks(draw: random.Random) -> Pairs:
    base = [(some(draw, 12), some(draw)) for _ in range(40)]
    ways: tuple[Callable[[str], str], ...] = (
        str.upper,
        lambda text: f"{text.capitalize()}!",
        lambda text: text.replace(" ", ", ", 2),
        lambda text: f"  {text} ?",
    )
    chosen = [draw.choice(base) for _ in range(800)]
    return [(draw.choice(ways)(asked), draw.choice(ways)(said)) for asked, said in chosen]


def alike_but_for_a_word(draw: random.Random) -> Pairs:
    base = [(some(draw, 12).split(), some(draw)) for _ in range(40)]
    made = []
    for _ in range(800):
        asked, said = draw.choice(base)
        changed = [*asked]
        changed[draw.randrange(12)] = draw.choice(WORDS)
        made.append((" ".join(changed), said))
    return made


def sorted_mails(draw: random.Random) -> Pairs:
    made = []
    for _ in range(800):
        label = draw.choice(list(SIGNS))
        made.append((f"{some(draw, 4)} {draw.choice(SIGNS[label])} {some(draw, 3)}", label))
    return made


def shuffled_labels(draw: random.Random) -> Pairs:
    mails = sorted_mails(draw)
    labels = [label for _, label in mails]
    draw.shuffle(labels)
    return [(asked, label) for (asked, _), label in zip(mails, labels, strict=True)]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (identical, "repeats"),
        (numbered, "repeats"),
        (numbered_on_both_sides, "repeats"),
        (numbered_in_a_word, "repeats"),
        (constant_but_for_case, "constant"),
        (constant_for_most, "constant"),
        (alike_but_for_case_and_marks, "repeats"),
        (alike_but_for_a_word, "repeats"),
        (shuffled_labels, "unrelated"),
    ],
)
def test_it_is_named_and_nothing_is_trained(
    kind: Callable[[random.Random], Pairs], named: str, tmp_path: Path
) -> None:
    found = facts(kind(random.Random(5)), tmp_path)
    trouble = found.trouble(named)
    assert trouble is not None
    assert trouble.severe
    verdict = decide(WANTED, found)
    assert verdict.verdict == "collect_data"
    assert verdict.next_step.sentence.startswith("repair first: ")
    assert decide(Answers(), found).verdict not in ("fine_tune", "fine_tune_rag")


def test_the_same_rows_in_order_are_trained_on(tmp_path: Path) -> None:
    found = facts(sorted_mails(random.Random(5)), tmp_path)
    assert found.troubles == ()
    assert decide(WANTED, found).verdict == "fine_tune"


def test_numbers_that_are_taken_over_in_many_moulds_are_no_copies(tmp_path: Path) -> None:
    verbs = "wake call warn ring buzz nudge alert page tell ask stop start".split()
    pairs = [
        (f"{verb} me in {n} minutes", json.dumps({"do": verb, "minutes": n}))
        for verb in verbs
        for n in range(40)
    ]
    assert facts(pairs, tmp_path).trouble("repeats") is None
    yes_no = [(f"Is {n} more than 400?", "yes" if n > 400 else "no") for n in range(800)]
    assert facts(yes_no, tmp_path).trouble("repeats") is None


def test_nine_of_ten_the_same_is_too_many_and_eight_of_ten_is_not(tmp_path: Path) -> None:
    draw = random.Random(1)
    for share, bad in ((0.92, True), (0.8, False)):
        pairs = [(some(draw), "no" if n < share * 200 else "yes") for n in range(200)]
        assert (facts(pairs, tmp_path).trouble("constant") is not None) is bad
