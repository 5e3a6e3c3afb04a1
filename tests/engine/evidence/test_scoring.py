"""How answers are scored: by what suits them, against figures worked out by hand."""

from __future__ import annotations

import pytest

from tunewright.engine.evidence.instruct import write_instruction
from tunewright.engine.evidence.scoring import are_facts, form_of, normal, score


@pytest.mark.parametrize(
    ("answers", "form"),
    [
        (['{"a": 1}'] * 19 + ["no"], "json"),
        (["spam", "ham", "Ham."] * 10, "labels"),
        ([f"name {n}" for n in range(40)], "short"),
        (["a " * 100 + str(n) for n in range(40)], "text"),
        (["one only"], "short"),
        (["yes", "no"], "short"),
    ],
)
def test_the_kind_of_answers_is_found(answers: list[str], form: str) -> None:
    assert form_of(answers) == form


def test_no_answers_have_no_kind() -> None:
    with pytest.raises(ValueError, match="no answers"):
        form_of([])


def test_labels_and_short_answers_forgive_case_and_marks_only() -> None:
    assert normal("  Hall 4,  row C. ") == "hall 4, row c"
    wants, gots = ["ham", "ham", "ham"], ["Ham.", "spam", "ham or spam"]
    assert score(wants, gots, "labels") == {"accuracy": (1.0, 0.0, 0.0)}
    found = score(["Mona Lang"], ["mona lang from the shop"], "short")
    assert found["exact"] == (0.0,)
    assert found["word_f1"][0] == pytest.approx(2 * 2 / (2 + 5))


def test_json_is_strict_and_its_fields_count() -> None:
    found = score(['{"a": 1, "b": 2}'] * 3, ['{"b":2,"a":1}', '{"a": 1}', "a: 1"], "json")
    assert found["exact"] == (1.0, 0.0, 0.0)
    assert found["valid"] == (1.0, 1.0, 0.0)
    assert found["f1"] == pytest.approx((1.0, 2 / 3, 0.0))


def test_text_is_scored_by_the_libraries_in_any_script() -> None:
    same, other = "Ένα μικρό σκυλί τρέχει", "ολότελα άλλη πρόταση εδώ"
    found = score([same, same, ""], [same, other, "x"], "text")
    assert found["chrf"][0] == pytest.approx(1.0)
    assert found["rouge_l"][:2] == pytest.approx((1.0, 0.0))
    assert found["chrf"][1] < 0.4
    # ROUGE-L by hand: longest common subsequence "the dog" of 3 and 4 words.
    hand = score(["the brown dog"], ["the dog was here"], "text")["rouge_l"][0]
    assert hand == pytest.approx(2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3))


def test_the_instruction_says_what_answers_look_like() -> None:
    told = write_instruction("sort mail.", "labels", ["spam", "ham", "spam"])
    assert told == "sort mail. Answer with one of these and nothing else: ham, spam."
    rows = ['{"name": "A", "qty": 2}'] * 9 + ['{"name": "B", "qty": 2, "note": true}']
    told = write_instruction(None, "json", rows)
    assert '"name" (text), "qty" (a number), "note" (true or false, only where' in told
    assert "at most 2 words" in write_instruction("", "short", ["one", "one two"])
    assert "about 3 words" in write_instruction(None, "text", ["a b c", "a", "a b c d e"])


def test_a_fact_is_right_in_a_sentence_too_and_only_word_for_word() -> None:
    wants = ["hall 7, row F", "7", "ten weeks", "Ben Ray", "北京", "x", "!"]
    gots = [
        "It stands in Hall 7 row F.",
        "There are 17 of them",
        "every eleven weeks\nevery ten weeks",
        "Ben Rayner does it",
        "它在北京市",
        "",
        "what!",
    ]
    found = score(wants, gots, "fact")
    assert found["contained"] == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    assert found["exact"] == (0.0,) * 7


def test_answers_are_facts_where_most_of_them_stand_in_documents_and_not_in_the_question() -> None:
    asks = [f"Where is the lamp {n}?" for n in range(10)]
    answers = [f"shelf {n}" for n in range(10)]
    books = [f"The lamp {n} is on shelf {n}." for n in range(10)]
    assert are_facts(asks, answers, books)
    assert are_facts(asks, answers, books[:8])
    assert not are_facts(asks, answers, books[:7])
    assert not are_facts([f"{a} {b}" for a, b in zip(asks, answers, strict=True)], answers, books)
    assert not are_facts(asks, answers, [])
    assert not are_facts([], [], books)
