"""Rows as known data sets and tools have them go through every verb: read right, or named."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from known_sets import SETS, Known

from tunewright.engine.data.divided import write_split
from tunewright.engine.data.fixed_file import write_fixed
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.prepared import look_at_data, read_split
from tunewright.engine.data.previewed import preview
from tunewright.engine.data.read import read_examples
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.session import DataInput, Inputs
from tunewright.hardware.errors import Problem

READ = {name: known for name, known in SETS.items() if known.not_read is None}
NOT_READ = {name: known for name, known in SETS.items() if known.not_read is not None}
WORDS = "amber basil cedar delta ember fjord grove heron inlet juniper kelp larch".split()


def copies(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the same form that say different things, so that some can be held out."""

    def other(value: Any, word: str, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: other(inner, word, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [other(inner, word, key) for inner in value]
        asked = ("q", "Which city?", "Weather in Bern?", "A story.", "A fine film.")
        return f"{value} {' '.join([word] * 9)}" if value in asked else value

    return [other(row, word) for word in WORDS]


def written(folder: Path, known: Known) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in copies(known.row)))
    return path


@pytest.mark.parametrize("known", READ.values(), ids=READ.keys())
def test_rows_are_read_as_what_they_are(known: Known) -> None:
    bound = Finder().find(known.row)
    assert bound is not None
    assert bound.shape.name == known.shape
    parsed = parse_row(known.row, bound)
    assert isinstance(parsed, Normal), parsed
    assert parsed.answer == known.answer
    assert any(known.asked in message.content for message in parsed.asked) or not known.asked
    if known.rejected is not None:
        assert parsed.rejected[-1].content == known.rejected
        # What both begin with is the prompt, once.
        assert [m.role for m in (*parsed.chosen, *parsed.rejected)] == ["assistant"] * 2


@pytest.mark.parametrize("known", NOT_READ.values(), ids=NOT_READ.keys())
def test_rows_that_are_not_read_say_why_and_what_helps(known: Known, tmp_path: Path) -> None:
    report = check_data(written(tmp_path, known))
    [finding] = [f for f in report.findings if f.id == known.not_read]
    assert (finding.severity, finding.count) == ("error", len(WORDS))
    assert known.said in finding.examples[0]
    assert finding.fix
    assert report.verdict == "blocked"


@pytest.mark.parametrize("known", READ.values(), ids=READ.keys())
def test_every_verb_takes_them(known: Known, tmp_path: Path, tiny_model: Path) -> None:
    path = written(tmp_path, known)
    report = check_data(path)
    assert (report.format, report.facts.usable_rows) == (known.shape, len(WORDS))
    shown = preview(path, Renderer.open(tiny_model), rows=2)
    assert all(row.why_not is None or "tool calls" in row.why_not for row in shown.rows)
    outcome = write_fixed(path, ["unify"], tmp_path / "unified.jsonl")
    assert outcome.rows_out == len(WORDS)
    # What was unified says the same: the shapes are TRL's own by then.
    again = check_data(tmp_path / "unified.jsonl")
    assert again.facts.usable_rows == len(WORDS)
    first = json.loads((tmp_path / "unified.jsonl").read_text().splitlines()[0])
    unified = parse_row(first, Finder().find(first))
    before = parse_row(copies(known.row)[0], Finder().find(known.row))
    assert isinstance(unified, Normal)
    assert isinstance(before, Normal)
    assert (unified.messages, unified.chosen, unified.rejected) == (
        before.messages,
        before.chosen,
        before.rejected,
    )
    different = len({repr(parse_row(row, Finder().find(row))) for row in copies(known.row)}) > 1
    if different:
        division = write_split(path, tmp_path / "split", 0.2, 1)
        assert division.train_rows + division.eval_rows == len(WORDS)
    if before.kind != "conversation":
        return
    assert len(read_examples(path).examples) == len(WORDS)
    # A plan counts the tokens of every row; the tiny model's template knows no tools.
    calls = any(message.tool_calls for message in before.messages)
    if different and not calls:
        inputs = Inputs(name="t", model=str(tiny_model), data=DataInput(path=str(path)))
        read_split.cache_clear()
        _, facts, _ = look_at_data(inputs, tmp_path, tiny_model, None)
        assert facts.rows + facts.eval_rows == len(WORDS)
        assert 0 < facts.trained_tokens < facts.train_tokens


def test_what_can_be_read_in_two_ways_says_so_and_how(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(SETS["wmt"].row) + "\n")
    found = check_data(path)
    assert "--format translation:source=translation.en,target=translation.de" in found.because
    other = "translation:source=translation.en,target=translation.de"
    [example] = read_examples(path, other).examples
    assert [m.content for m in example.messages] == ["Good day", "Guten Tag"]
    path.write_text(json.dumps(SETS["mmlu"].row) + "\n")
    asked = check_data(path).because.partition("--format ")[2].rstrip(")")
    assert read_examples(path, asked).examples[0].messages[-1].content == "B. 5"
    path.write_text(json.dumps(SETS["imdb"].row) + "\n")
    assert "--format text:text=text" in check_data(path).because


def test_fields_are_named_by_a_path(tmp_path: Path) -> None:
    row = {"meta": {"asked": "q"}, "out": [{"best": "a"}, {"best": "b"}], "n": 1}
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    asked = "prompt_completion:prompt=meta.asked,completion=out[-1].best"
    found = read_examples(path, asked)
    assert [m.content for m in found.examples[0].messages] == ["q", "b"]
    assert found.unused_fields == {"n": 1}
    with pytest.raises(Problem):
        read_examples(path, "prompt_completion:prompt=meta.nothing,completion=out[7].best")


def test_the_cure_of_an_unknown_shape_names_the_fields_and_works(tmp_path: Path) -> None:
    row = {"ticket_id": "7", "kunde_fragt": "Wo ist es?", "wir_sagen": "Es ist unterwegs."}
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(Problem) as caught:
        read_examples(path)
    asked = caught.value.cure.partition("--format ")[2]
    assert asked == "prompt_completion:prompt=kunde_fragt,completion=wir_sagen"
    assert read_examples(path, asked).examples[0].messages[-1].content == "Es ist unterwegs."


def test_tables_hold_the_same_sets(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    for name in ("mmlu", "winogrande", "squad flat", "helpsteer", "dolly", "orca dpo pairs"):
        known = SETS[name]
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            table = csv.writer(file, delimiter=";")
            table.writerow(known.row)
            table.writerow(
                json.dumps(v) if isinstance(v, (list, dict)) else v for v in known.row.values()
            )
        report = check_data(path)
        assert (report.format, report.facts.usable_rows) == (known.shape, 1), name


@pytest.mark.parametrize("name", ["nectar", "hh-rlhf", "openai preference", "kto mix", "helpsteer"])
def test_answers_alone_are_trained_on_as_the_cure_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(SETS[name].row) + "\n")
    with pytest.raises(Problem, match="another kind of training") as caught:
        read_examples(path)
    assert "--fix unify" in caught.value.cure
    write_fixed(path, ["unify"], tmp_path / "answers.jsonl")
    asked = caught.value.cure.partition("--format ")[2]
    [example] = read_examples(tmp_path / "answers.jsonl", asked).examples
    assert example.messages[-1].content == SETS[name].answer
