"""The demo's held-out rows cannot be answered from memory."""

from __future__ import annotations

import json
from pathlib import Path

from tunewright.engine.demo.orders import INSTRUCTION, NEW_NOUN, make_orders, write_orders


def answers(rows: list[dict[str, str]], key: str) -> list[object]:
    return [json.loads(row["completion"])[key] for row in rows]


def test_the_rows_are_seeded_and_enough() -> None:
    train, held = make_orders()
    assert (train, held) == make_orders()
    assert make_orders(1) != make_orders(2)
    assert len(train) >= 500
    assert len(held) >= 60


def test_held_out_names_items_and_phrasings_do_not_all_occur_in_training() -> None:
    train, held = make_orders()
    known = set(answers(train, "name"))
    assert not known & set(answers(held, "name"))
    new_items = [a for a in answers(held, "item") if str(a).split()[-1] in NEW_NOUN]
    assert len(held) * 0.4 < len(new_items) < len(held) * 0.6
    assert not any(str(a).split()[-1] in NEW_NOUN for a in answers(train, "item"))
    new_phrases = [
        r
        for r in held
        if "so that" in r["prompt"]
        or "put me down" in r["prompt"]
        or "Deadline" in r["prompt"]
        or "We promised" in r["prompt"]
    ]
    assert len(held) * 0.4 < len(new_phrases) < len(held) * 0.6
    assert len({str(a) for a in answers(train, "due")}) > 200


def test_no_held_out_row_occurs_in_training_and_each_says_what_is_wanted() -> None:
    train, held = make_orders()
    assert not {r["prompt"] for r in train} & {r["prompt"] for r in held}
    assert all(r["prompt"].startswith(INSTRUCTION) for r in (*train, *held))
    assert set(json.loads(held[0]["completion"])) == {"name", "item", "qty", "due"}


def test_files_are_written_once_and_repaired(tmp_path: Path) -> None:
    files = write_orders(tmp_path)
    stamp = files.train.stat().st_mtime_ns
    assert write_orders(tmp_path).train.stat().st_mtime_ns == stamp
    files.train.write_text("broken")
    assert len(write_orders(tmp_path).train.read_text().splitlines()) >= 500
