"""Rows that would fool a decision: each kind is caught, named, and told how to repair; good rows of
many kinds are let pass."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from measured_figures import figures

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.decide.answers import Answers
from tunewright.engine.decide.decide import decide
from tunewright.engine.decide.facts import facts_of_rows
from tunewright.engine.demo.handbook import write_handbook
from tunewright.engine.demo.orders import make_orders
from tunewright.engine.demo.tickets import write_tickets
from tunewright.engine.suspect.trouble import troubles

WANTS_TRAINING = Answers(
    prompting="fails", knowledge="none", external_lookup=False, behaviour=True, quality="high"
)
SUBJECTS = "invoice refund parcel login password contract meter battery screen ticket".split()
VERBS = "lost broken late wrong missing blocked expired empty stolen double".split()
TEXTS = (
    "The {a} of {name} was {b} when it came on {day}, and nobody in the shop could say why it had "
    "happened or who would look at it again before the end of the week."
)
NAMES = "Ada Ben Cora Dan Edith Finn Gina Hugo Iris Jonas Kira Liam Mona Nils Olga Paul".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def row(asked: str, answer: str, line: int = 1, system: str | None = None) -> Example:
    turns = [Message("user", asked), Message("assistant", answer)]
    if system:
        turns.insert(0, Message("system", system))
    return Example(tuple(turns), Place("rows.jsonl", line))


def rows(pairs: list[tuple[str, str]]) -> list[Example]:
    return [row(asked, answer, line) for line, (asked, answer) in enumerate(pairs, 1)]


FILLER = (
    "since yesterday please again shop order sent got help still three days number address paid "
    "card never arrived window called twice nobody answers waiting colour blue size large return "
    "label morning street old new customer family birthday gift wrong photo attached thanks kind "
    "regards soon possible because maybe other half price friend told website button page email"
).split()


def mails(count: int = 600, seed: int = 1) -> list[tuple[str, str]]:
    """Mails with the label of their subject: a plain classification task."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        subject = draw.choice(SUBJECTS)
        words = draw.sample(FILLER, 12)
        words.insert(draw.randrange(12), f"{subject} {draw.choice(VERBS)}")
        made.append((" ".join(words), subject[:3].upper()))
    return made


def summaries(count: int = 400, seed: int = 2) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        subject, verb, name = draw.choice(SUBJECTS), draw.choice(VERBS), draw.choice(NAMES)
        day = draw.choice(DAYS)
        text = TEXTS.format(a=subject, b=verb, name=name, day=day)
        said = draw.choice(("would like a new one", "asks for the money back", "wants a call"))
        answer = f"The {subject} that {name} got on {day} is {verb}; the customer {said} soon."
        made.append((f"Summarise: {text} {draw.random()}", answer))
    return made


def orders() -> list[tuple[str, str]]:
    train, _ = make_orders()
    return [(r["prompt"][1]["content"], r["completion"][0]["content"]) for r in train]


def verdict_of(pairs: list[tuple[str, str]], held: list[tuple[str, str]] | None = None) -> None:
    """Good rows: nothing is found, and they are worth training on."""
    facts = facts_of_rows(rows(pairs), rows(held or []))
    assert facts.troubles == (), [t.message for t in facts.troubles]
    assert not facts.broken


def test_identical_rows() -> None:
    check("repeats", [("What is the capital of France?", "Paris"), *[("q", "a")] * 799])


def test_nearly_identical_rows() -> None:
    draw = random.Random(3)
    good = mails(40)

    def varied(asked: str, n: int) -> str:
        words = asked.split()
        words[draw.randrange(len(words))] = draw.choice(["really", "indeed", "perhaps"])
        return (" ".join(words) if n % 2 else asked.upper() + "!!") + f" ({n})"

    many = [(varied(asked, n), label) for n, (asked, label) in enumerate(good * 15)]
    found = check("repeats", many)
    assert "nearly" in found


def test_answers_copied_from_inputs() -> None:
    check(
        "copied", [(asked, asked if n % 10 else label) for n, (asked, label) in enumerate(mails())]
    )


def test_constant_answers() -> None:
    check("constant", [(asked, "thank you for your mail") for asked, _ in mails()])


@pytest.mark.parametrize("how", ["characters", "words", "tokens of JSON"])
def test_nine_rows_of_ten_truncated(how: str) -> None:
    draw = random.Random(4)

    def cut(pair: tuple[str, str], n: int) -> tuple[str, str]:
        asked, answer = pair
        if n % 10 == 0:
            return pair
        if how == "characters":
            return asked, answer[:60]
        if how == "words":
            return asked, answer[: draw.randint(45, len(answer) - 12)]
        return asked, answer[: draw.randint(10, len(answer) - 3)]

    source = orders() if how == "tokens of JSON" else summaries()
    found = check("truncated", [cut(pair, n) for n, pair in enumerate(source)])
    assert "seem to stop in the middle" in found


@pytest.mark.parametrize("source", [mails, orders, summaries], ids=lambda f: f.__name__)
def test_shuffled_answers(source: Callable[[], list[tuple[str, str]]]) -> None:
    pairs = source()
    answers = [answer for _, answer in pairs]
    random.Random(5).shuffle(answers)
    found = check("unrelated", [(asked, a) for (asked, _), a in zip(pairs, answers, strict=True)])
    assert "shuffled" in found


def test_held_out_rows_in_training() -> None:
    pairs = mails(600)
    held = [(asked.upper(), answer) for asked, answer in pairs[:40]] + mails(10, seed=9)
    facts = facts_of_rows(rows(pairs), rows(held))
    leaked = facts.trouble("leaked")
    assert leaked is not None
    assert leaked.severe
    assert (leaked.rows, leaked.of) == (40, 50)
    assert leaked.places[0] == "rows.jsonl:1"
    found = decide(WANTS_TRAINING, facts)
    assert found.repair == (leaked,)
    assert "repair first: 40 of 50 held-out rows stand in the training rows" in (
        found.next_step.sentence
    )
    assert found.verdict == "collect_data"
    assert "data.leaked_most" in {reason.rule for reason in found.because}
    assert found.next_step.command == "tunewright data split DATA --out SPLIT"
    # What was measured went by the rows that are not in training, so its figure counts.
    measured = msgspec.structs.replace(facts, measured=figures(2, None, 45))
    assert decide(WANTS_TRAINING, measured).verdict == "fine_tune"


def check(id: str, pairs: list[tuple[str, str]]) -> str:
    """The trouble is found, severe, named in the verdict, and what to repair comes first; returns
    its message."""
    facts = facts_of_rows(rows(pairs))
    trouble = facts.trouble(id)
    assert trouble is not None, [t.id for t in facts.troubles]
    assert trouble.severe
    assert trouble.places
    assert facts.broken
    found = decide(WANTS_TRAINING, facts)
    assert found.verdict == "collect_data"
    assert trouble in found.repair
    assert found.next_step.sentence.startswith("repair first:")
    assert found.next_step.command is not None
    assert "--kit" in found.next_step.command
    told = " ".join(reason.sentence for reason in found.because)
    assert trouble.repair in told or id == "constant"
    return trouble.message


@pytest.mark.parametrize("source", [mails, orders, summaries], ids=lambda f: f.__name__)
def test_good_rows_pass(source: Callable[[], list[tuple[str, str]]]) -> None:
    pairs = source()
    verdict_of(pairs)
    assert decide(WANTS_TRAINING, facts_of_rows(rows(pairs))).repair == ()


@pytest.mark.parametrize("write", [write_tickets, write_handbook], ids=["tickets", "handbook"])
def test_the_small_tasks_pass(write: Callable[[Path], tuple[Path, Path]], tmp_path: Path) -> None:
    sides = [
        [json.loads(line) for line in path.read_text().splitlines()] for path in write(tmp_path)
    ]
    train, held = ([(r["prompt"], r["completion"]) for r in side] for side in sides)
    verdict_of(train, held)


def test_numbers_that_decide_the_answer_are_no_running_numbers() -> None:
    sums = [(f"{a}+{b}=", str(a + b)) for a in range(20) for b in range(20)]
    primes = [
        (f"Is {n} prime?", "yes" if n > 1 and all(n % d for d in range(2, n)) else "no")
        for n in range(300)
    ]
    for pairs in (sums, primes):
        assert facts_of_rows(rows(pairs)).trouble("repeats") is None


def test_extracts_and_translations_are_no_copies() -> None:
    extracts = [(f"Find the name: {asked}", " ".join(asked.split()[4:6])) for asked, _ in mails()]
    assert facts_of_rows(rows(extracts)).trouble("copied") is None
    turned = [(asked, " ".join(reversed(asked.split()))) for asked, _ in mails()]
    assert facts_of_rows(rows(turned)).trouble("copied") is None


def test_answers_whose_words_tell_nothing_are_not_called_shuffled() -> None:
    """Sums and codes share no word with their inputs: nothing can be said, so nothing is."""
    draw = random.Random(6)
    sums = [(f"{a}+{b}=", f"result {a + b}") for a in range(20) for b in range(20, 40)]
    codes = [(asked, f"k{draw.random()}") for asked, _ in mails()]
    for pairs in (sums, codes):
        assert facts_of_rows(rows(pairs)).trouble("unrelated") is None


def test_one_instruction_before_every_row_makes_them_no_copies_of_each_other() -> None:
    told = "You sort mails for a shop. Say the three letters that stand for its subject. " * 3
    pairs = [(f"{told}{subject} {verb}", subject[:3]) for subject in SUBJECTS for verb in VERBS]
    assert facts_of_rows(rows(pairs)).trouble("repeats") is None


def test_short_answers_without_a_full_stop_are_whole() -> None:
    pairs = [(asked, f"the {label.lower()} of {n} people in the north and the south")
             for n, (asked, label) in enumerate(mails())]  # fmt: skip
    assert facts_of_rows(rows(pairs)).trouble("truncated") is None


def test_a_few_bad_rows_are_told_but_stop_nothing() -> None:
    pairs = mails(600)
    pairs[:30] = [(asked, asked) for asked, _ in pairs[:30]]
    facts = facts_of_rows(rows(pairs))
    copied = facts.trouble("copied")
    assert copied is not None
    assert not copied.severe
    assert not facts.broken
    assert decide(WANTS_TRAINING, facts).verdict == "fine_tune"


def test_no_rows_have_no_trouble() -> None:
    assert troubles(()) == ()
    assert troubles((row("q", "a"),)) == ()
