"""The demo's held-out rows cannot be answered from memory, and each says what is wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.read import read_examples
from tunewright.engine.demo import orders
from tunewright.engine.demo.orders import make_orders, write_orders

Rows = list[dict[str, Any]]
TRAIN, HELD = make_orders()


def answers(rows: Rows, key: str) -> list[Any]:
    return [json.loads(row["completion"][0]["content"])[key] for row in rows]


def said(row: dict[str, Any]) -> str:
    text: str = row["prompt"][-1]["content"]
    return text


def share(rows: Rows, known: set[Any], values: list[Any]) -> float:
    return sum(value in known for value in values) / len(rows)


def test_the_rows_are_seeded_and_enough() -> None:
    assert make_orders() == (TRAIN, HELD)
    assert make_orders(1) != make_orders(2)
    assert len(TRAIN) >= 500
    assert len(HELD) >= 60


def test_no_full_name_and_no_message_of_the_held_out_rows_occurs_in_training() -> None:
    assert not set(answers(TRAIN, "name")) & set(answers(HELD, "name"))
    assert not {said(row) for row in TRAIN} & {said(row) for row in HELD}
    assert len(set(answers([*TRAIN, *HELD], "name"))) == len(TRAIN) + len(HELD)


@pytest.mark.parametrize(
    "part",
    [
        lambda row: answers([row], "name")[0].split(", ")[1],
        lambda row: answers([row], "item")[0].split(", ")[0],
        lambda row: answers([row], "qty")[0],
        lambda row: answers([row], "due")[0],
        lambda row: phrasing(row),
    ],
    ids=["first name", "noun", "quantity", "day", "phrasing"],
)
def test_of_each_part_some_are_known_from_training_and_some_are_new(part: Any) -> None:
    known = {part(row) for row in TRAIN}
    assert 0.3 < share(HELD, known, [part(row) for row in HELD]) < 0.7


def phrasing(row: dict[str, Any]) -> str:
    """The message without its name, goods and day: what is left is the phrasing."""
    return " ".join(w for w in said(row).split() if w.strip(".,?:").lower() in WORDS)


WORDS = {
    word.strip(".,?:").lower()
    for phrase in (*orders.PHRASES, *orders.NEW_PHRASES)
    for word in phrase.split()
    if "{" not in word
}


def test_every_answer_can_be_found_in_its_message() -> None:
    for row in (*TRAIN, *HELD):
        answer = json.loads(row["completion"][0]["content"])
        assert list(answer) == ["name", "item", "qty", "due"]
        text, month = said(row).lower(), int(answer["due"][:2])
        for key in ("name", "item"):
            assert " ".join(reversed(answer[key].split(", "))).lower() in text
        assert isinstance(answer["qty"], int)
        word = orders.NUMBERS[answer["qty"] - 1] if answer["qty"] <= 12 else None
        assert str(answer["qty"]) in text or (word is not None and word in text)
        assert orders.MONTHS[month - 1][:3].lower() in text
        assert str(int(answer["due"][3:])) in text


def test_the_base_model_is_told_the_keys_and_their_form() -> None:
    for row in (*TRAIN, *HELD):
        told = row["prompt"][0]["content"]
        assert all(key in told for key in ("JSON", "name", "item", "qty", "due", "MM-DD"))


def test_files_are_read_back_written_once_and_repaired(tmp_path: Path) -> None:
    files = write_orders(tmp_path)
    reading = read_examples(files.train)
    assert (reading.format, len(reading.examples)) == ("prompt_completion", len(TRAIN))
    assert len(read_examples(files.eval).examples) == len(HELD)
    stamp = files.train.stat().st_mtime_ns
    assert write_orders(tmp_path).train.stat().st_mtime_ns == stamp
    files.train.write_text("broken")
    assert len(write_orders(tmp_path).train.read_text().splitlines()) == len(TRAIN)
