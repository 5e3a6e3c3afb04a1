"""An answer is worth exactly what a program that reads it could use."""

import pytest

from tunewright.engine.prove.score import parse_object, score_answers

WANT = '{"name": "Ada", "item": "red cup", "qty": 3, "due": "04-01"}'


def one(want: str, got: str, kind: str = "json"):
    scores = score_answers([want], [got], kind)
    return scores.valid, scores.exact, scores.f1


def test_the_same_object_in_another_order_and_spacing_is_exact():
    got = ' {"due":"04-01","qty":3,"item":"red cup","name":"Ada"}\n'
    assert one(WANT, got) == ((1,), (1,), (1.0,))


@pytest.mark.parametrize("qty", ['"3"', "3.0", "true", "null", "[3]"])
def test_a_value_of_another_type_is_not_the_same_value(qty):
    valid, exact, f1 = one(WANT, WANT.replace("3,", f"{qty},"))
    assert (valid, exact) == ((1,), (0,))
    assert f1 == (pytest.approx(0.75),)


def test_true_is_not_one():
    assert one('{"a": true}', '{"a": 1}')[1] == (0,)


def test_field_f1_charges_missing_and_added_fields():
    # 2 of the 4 wanted fields, and 1 that was not asked for: 2·2 / (4 + 3)
    got = '{"name": "Ada", "item": "red cup", "price": 5}'
    assert one(WANT, got)[2] == (pytest.approx(4 / 7),)


def test_fields_inside_nested_values_count_one_by_one():
    want = '{"who": {"first": "Ada", "last": "L"}, "tags": ["a", "b"]}'
    got = '{"who": {"first": "Ada", "last": "X"}, "tags": ["a", "b"]}'
    assert one(want, got)[2] == (pytest.approx(0.75),)


def test_an_empty_container_is_not_a_missing_one():
    assert one('{"a": {}}', "{}")[1] == (0,)
    assert one('{"a": {}}', '{"a": []}')[1] == (0,)
    assert one("{}", "{}") == ((1,), (1,), (1.0,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[1]",
        '"text"',
        'Here it is: {"a": 1}',
        '{"a": 1} done',
        "```json\n{}\n```",
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": "x\ny"}',
        '{"a":' * 100_000,
        '{"a": ' + "1" * 10_000 + "}",
    ],
)
def test_what_a_strict_reader_would_refuse_is_not_valid(text):
    assert parse_object(text) is None
    assert one(WANT, text) == ((0,), (0,), (0.0,))


def test_words_are_compared_after_white_space_is_normalised():
    assert one("in  two\tdays", " in two days\n", "short") == ((), (1,), (1.0,))
    assert one("In two days", "in two days", "short")[1] == (0,)


def test_word_f1_is_over_a_multiset():
    # common: "the", "cat"; 4 wanted words, 3 given: 2·2 / 7
    assert one("the cat the hat", "the cat sat", "text")[2] == (pytest.approx(4 / 7),)
    assert one("yes", "", "text")[2] == (0.0,)
    assert one("", "", "text")[2] == (1.0,)


def test_rows_stay_apart_and_in_order():
    scores = score_answers(["a", "b", "c"], ["a", "x", "c"], "short")
    assert scores.exact == (1, 0, 1)


def test_a_reference_that_is_no_object_is_scored_as_text():
    scores = score_answers(["no order", "{}"], ["no order", "no order"], "json")
    assert (scores.valid, scores.exact, scores.f1) == ((0, 0), (1, 0), (1.0, 0.0))


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="2 references for 1"):
        score_answers(["a", "b"], ["a"], "short")
