"""Names of people are looked for where a model is named, and it is said where none is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from test_checks import answers, clean, found, write

from tunewright.engine.data.checks.check import Options
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.people import tagger
from tunewright.hardware.errors import Problem

HERE = importlib.util.find_spec("spacy") is not None


def test_without_a_model_nobody_says_that_there_are_no_names(tmp_path: Path) -> None:
    report = check_data(write(tmp_path / "d.jsonl", clean(60)))
    assert any("names of people" in told for told in report.not_looked)


def test_a_model_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        tagger(str(tmp_path / "absent"))
    assert ("no spaCy model" in caught.value.what) is HERE
    assert "spaCy" in caught.value.what + caught.value.why


@pytest.mark.skipif(not HERE, reason="spaCy is an extra")
def test_names_are_told_at_their_field(tmp_path: Path) -> None:
    import spacy

    model = spacy.blank("en")
    rules = model.add_pipe("entity_ruler")
    rules.add_patterns([{"label": "PERSON", "pattern": "Jane Roe"}])
    model.to_disk(tmp_path / "model")
    path = write(tmp_path / "d.jsonl", [*clean(60), answers("ask Jane Roe about it")])
    report = check_data(path, Options(names=str(tmp_path / "model")))
    finding = found(report)["pii.name"]
    assert [(place.line, place.field) for place in finding.places] == [(61, "completion")]
    assert not any("names of people" in told for told in report.not_looked)
