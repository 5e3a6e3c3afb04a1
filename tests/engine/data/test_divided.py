"""A split is seeded, in the asked ratio for every label, and has nothing alike on both sides."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from test_checks import ONE, clean, found, write

from tunewright.engine.data.divided import write_split
from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.split import split
from tunewright.hardware.errors import Problem


def rows_of(path: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_the_ratio_is_kept_for_every_label_and_all_rows_are_there_once(tmp_path: Path) -> None:
    rows = [
        {**row, "label": "rare" if n % 10 == 0 else "common"} for n, row in enumerate(clean(500))
    ]
    path = write(tmp_path / "d.jsonl", rows)
    division = write_split(path, tmp_path / "out", 0.2, 1)
    train, held = rows_of(division.train), rows_of(division.eval)
    assert sorted(map(str, (*train, *held))) == sorted(map(str, rows))
    assert (division.by, Counter(row["label"] for row in held)) == (
        "label",
        {"common": 90, "rare": 10},
    )
    again = write_split(path, tmp_path / "again", 0.2, 1)
    assert Path(again.eval).read_bytes() == Path(division.eval).read_bytes()
    other = write_split(path, tmp_path / "other", 0.2, 2)
    assert Path(other.eval).read_bytes() != Path(division.eval).read_bytes()


def test_nothing_that_is_alike_is_on_both_sides(tmp_path: Path) -> None:
    rows = clean(300)
    long = " ".join(row["completion"] for row in rows[:4])
    alike = [
        {"prompt": f"sum up text {n // 3} for me", "completion": f"{n // 3} {long} {'z' * (n % 3)}"}
        for n in range(0, 90)
    ]
    same = [{"prompt": rows[0]["prompt"], "completion": f"answer {n}"} for n in range(20)]
    path = write(tmp_path / "d.jsonl", [*rows, *alike, *same])
    for seed in range(4):
        division = write_split(path, tmp_path / str(seed), 0.3, seed)
        report = check_data(Path(division.train), eval_path=Path(division.eval))
        assert "duplicate.leak" not in found(report)
        asked = {row["prompt"] for row in rows_of(division.train)}
        assert not asked & {row["prompt"] for row in rows_of(division.eval)}
        assert division.eval_rows >= 40


def test_what_cannot_be_split_is_one_problem(tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.jsonl", [*clean(5), ONE["answer.empty"][0]])
    with pytest.raises(Problem, match="1 of 6 rows") as caught:
        write_split(wrong, tmp_path / "out", 0.1, 1)
    assert "--fix drop=answer.empty" in caught.value.cure
    alike = write(tmp_path / "alike.jsonl", clean(1) * 9)
    with pytest.raises(Problem, match="held out"):
        write_split(alike, tmp_path / "out", 0.1, 1)
    fine = write(tmp_path / "fine.jsonl", clean(9))
    for fraction in (0.0, 1.0):
        with pytest.raises(Problem, match="share"):
            write_split(fine, tmp_path / "out", fraction, 1)
    with pytest.raises(Problem, match="no row of"):
        write_split(fine, tmp_path / "out", 0.2, 1, by="nothing")
    assert not (tmp_path / "out").exists()
    write_split(fine, tmp_path / "out", 0.2, 1)
    with pytest.raises(Problem, match="there already"):
        write_split(fine, tmp_path / "out", 0.2, 1)


def test_a_run_holds_out_no_near_duplicate_of_a_training_row() -> None:
    def example(n: int, text: str) -> Example:
        turns = (Message("user", f"question {n} {text}"), Message("assistant", text))
        return Example(turns, Place("d", n))

    told = [row["completion"] for row in clean(300)]
    texts = [" ".join(told[n * 5 : n * 5 + 5]) for n in range(60)]
    rows = [example(n, texts[n // 2] + " z" * (n % 2)) for n in range(120)]
    for seed in range(5):
        train, held = split(rows, 0.2, seed)
        assert not {row // 2 for row in train} & {row // 2 for row in held}
        assert 20 <= len(held) <= 28
