"""What is proposed for rows of no known shape is what their fields say, and works as it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.read import read_examples

LONG = "words and many more words of which nothing is to be learned at all"


@pytest.mark.parametrize(
    "row",
    [
        {"Frage": "q", "Antwort": "a", "Kategorie": LONG},
        {"Kategorie": LONG, "Antwort": "a", "Frage": "q"},
        {"pregunta": "q", "respuesta": "a", "tema": LONG},
        {"問題": "q", "解答": "a"},
        {"ask": "q", "ans": "a"},
        {"ans": "a", "ask": "q"},
        {"cmd": "a", "nl": "q"},
        {"kunde_fragt": "q", "model_name": LONG, "wir_sagen": "a"},
        {"id": "7", "asked": {"question": "q"}, "told": {"answer": "a"}},
        {"example": {"eingabe": {"text": "q"}, "url": LONG}, "antwort": "a"},
        {"id": "1", "rec": {"messages": [{"role": "user", "content": "q"},
                                         {"role": "assistant", "content": "a"}]}},
        {"first thing": "q", "other thing": "a"},
    ],
)  # fmt: skip
def test_the_proposed_format_reads_the_row(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    report = check_data(path)
    [finding] = [f for f in report.findings if f.id == "shape.unknown"]
    # The report tells the whole command, and nothing after it.
    asked = finding.examples[0].partition("--format ")[2].strip("'")
    [example] = read_examples(path, asked).examples
    assert [turn.content for turn in example.messages] == ["q", "a"]


def test_nothing_is_proposed_where_nothing_could_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"customer_id": "a7", "url": "https://example.org"}) + "\n")
    [finding] = [f for f in check_data(path).findings if f.id == "shape.unknown"]
    assert "prompt=NAME,completion=NAME" in finding.examples[0]
