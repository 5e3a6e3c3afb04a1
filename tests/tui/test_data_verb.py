"""`tunewright data`: the contract of its output, and that it needs nothing heavy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from live import Live
from test_cli import HEAVY, imported_by
from tiny import TinyData


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """600 different rows, one empty answer, one repetition, one address."""
    made = [
        {"prompt": f"what is the number {n} of the list", "completion": f"it is item {n * 7} there"}
        for n in range(600)
    ]
    made += [{"prompt": "q", "completion": ""}, made[0]]
    made += [{"prompt": "whom to ask", "completion": "ask jane.roe@acme-tools.org"}]
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in made).encode()))
    return path


def test_check_tells_findings_as_json_and_blocks_with_an_exit_code(live: Live, rows: Path) -> None:
    done = live("data", "check", str(rows), "--json", code=4)
    told = json.loads(done.stdout)
    assert (told["rows"], told["format"], told["verdict"]) == (603, "prompt_completion", "blocked")
    found = {finding["id"]: finding for finding in told["findings"]}
    assert {"answer.empty", "duplicate.exact", "pii.email"} <= set(found)
    empty = found["answer.empty"]
    assert (empty["severity"], empty["count"]) == ("error", 1)
    place = empty["rows"][0]
    assert (place["file"], place["line"], place["field"]) == (str(rows), 601, "completion")
    assert empty["message"]
    text = live("data", "check", str(rows), code=4).stdout
    assert f"{rows}:601:completion" in text
    assert "verdict: not ready" in text


def test_what_check_advises_makes_the_data_fit(live: Live, rows: Path, tmp_path: Path) -> None:
    advice = json.loads(live("data", "check", str(rows), "--json", "--details", code=4).stdout)[
        "advice"
    ]
    words = advice.partition("; tunewright ")[2].split()
    output = tmp_path / "fixed.jsonl"
    live(*words, "--fix", "dedupe", "--fix", "redact", "--out", str(output))
    told = json.loads(live("data", "check", str(output), "--json").stdout)
    assert (told["rows"], told["verdict"]) == (601, "good")
    manifest = json.loads((tmp_path / "fixed.jsonl.manifest.json").read_text())
    assert {change["line"] for change in manifest["changes"]} == {601, 602, 603}
    again = json.loads(
        live("data", "fix", "--again", str(manifest["result"]["manifest"]), "--json").stdout
    )
    assert again["fingerprint"] == manifest["result"]["fingerprint"]


def test_split_and_preview(
    live: Live, tmp_path: Path, tiny_data: TinyData, tiny_model: Path
) -> None:
    told = json.loads(
        live(
            "data", "split", str(tiny_data.train), "--ratio", "80/20", "--json",
            "--out", str(tmp_path / "two"),
        ).stdout
    )  # fmt: skip
    assert told["train_rows"] + told["eval_rows"] == 48
    assert 9 <= told["eval_rows"] <= 12
    model = str(tiny_model)
    text = live("data", "preview", told["eval"], "--tokenizer", model, "--rows", "1").stdout
    assert "▶" in text
    assert text.endswith("passed\n")
    side = json.loads(live("data", "preview", told["eval"], "--tokenizer", model, "--json").stdout)
    assert side["rows"][0]["sides"][0]["ends_with"] == "<|im_end|>"


@pytest.mark.parametrize(
    "words",
    [
        ("data",),
        ("data", "check", "absent.jsonl"),
        ("data", "check", ".", "--skip", "nothing"),
        ("data", "fix"),
        ("data", "fix", "absent.jsonl", "--fix", "nothing"),
        ("data", "split", "absent.jsonl", "--ratio", "a/b"),
        ("data", "preview", "absent.jsonl", "--tokenizer", "absent"),
    ],
)
def test_what_makes_no_sense_ends_in_what_why_cure(live: Live, words: tuple[str, ...]) -> None:
    done = live(*words, code=2)
    assert "why:" in done.stderr
    assert "cure:" in done.stderr
    assert "Traceback" not in done.stderr


def test_checking_imports_nothing_heavy(live: Live, tiny_data: TinyData, tmp_path: Path) -> None:
    lines = tiny_data.train.read_text().splitlines()
    path = tmp_path / "many.jsonl"
    path.write_text(
        "\n".join(
            line.replace('{"prompt": "', f'{{"prompt": "{n} ') for n in range(4) for line in lines
        )
    )
    found = imported_by(live, "data", "check", str(path))
    assert not found & {*HEAVY, "pyarrow", "numpy", "requests"}
