"""Names of people are looked for where a model is named, and it is said where none is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_checks import answers, clean, found, write

from tunewright.engine.data.checks.check import Options
from tunewright.engine.data.fixed_file import write_again, write_fixed
from tunewright.engine.data.inspect import check_data
from tunewright.engine.data.people import tagger
from tunewright.hardware.errors import Problem
from tunewright.tui.cli import run


def test_without_a_model_nobody_says_that_there_are_no_names(tmp_path: Path) -> None:
    report = check_data(write(tmp_path / "d.jsonl", clean(60)))
    assert any("names of people" in told for told in report.not_looked)


def test_a_model_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        tagger(str(tmp_path / "absent"))
    assert "no spaCy model" in caught.value.what


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline as spaCy saves one, whose names are told by rules."""
    import spacy

    made = spacy.blank("en")
    rules = made.add_pipe("entity_ruler")
    people = [{"label": "PERSON", "pattern": name} for name in ("Jane Roe", "José Núñez")]
    rules.add_patterns([*people, {"label": "GPE", "pattern": "Bern"}])
    folder = tmp_path_factory.mktemp("spacy") / "model"
    made.to_disk(folder)
    return str(folder)


def test_names_are_told_at_their_field(tmp_path: Path, model: str) -> None:
    path = write(tmp_path / "d.jsonl", [*clean(60), answers("ask Jane Roe about it")])
    report = check_data(path, Options(names=model))
    finding = found(report)["pii.name"]
    assert [(place.line, place.field) for place in finding.places] == [(61, "completion")]
    assert not any("names of people" in told for told in report.not_looked)


def test_names_are_replaced_and_nothing_else(tmp_path: Path, model: str) -> None:
    row = answers("Ask Jane Roe and José Núñez in Bern: jane@acme.io")
    path = write(tmp_path / "d.jsonl", [*clean(3), row])
    output = tmp_path / "out.jsonl"
    outcome = write_fixed(path, ["redact", f"names={model}"], output)
    assert outcome.changed == 1
    last = json.loads(output.read_text().splitlines()[-1])
    assert last["completion"] == "Ask [NAME] and [NAME] in Bern: [EMAIL]"
    again = write_again(Path(outcome.manifest), tmp_path / "again.jsonl")
    assert again.fingerprint == outcome.fingerprint
    assert "pii.name" not in found(check_data(output, Options(names=model)))


def test_the_verb_takes_the_model_too(tmp_path: Path, model: str) -> None:
    path = write(tmp_path / "d.jsonl", [*clean(3), answers("ask Jane Roe")])
    output = tmp_path / "out.jsonl"
    words = ["data", "fix", str(path), "--fix", "redact", "--names", model, "--out", str(output)]
    assert run(words) == 0
    assert "ask [NAME]" in output.read_text()


def test_names_without_a_model_are_one_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", clean(3))
    for fix in ("names", "redact=name", f"names={tmp_path / 'absent'}"):
        with pytest.raises(Problem, match=r"names|spaCy"):
            write_fixed(path, [fix], tmp_path / "out.jsonl")
    assert sorted(tmp_path.iterdir()) == [path]
