"""`tunewright decide`: the verdict on stdout, bad input told, nothing heavy imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from live import Live

KEYS = {"verdict", "confidence", "because", "against", "would_change", "next_step"}
NEW = {"prompting": "fails", "knowledge": "none", "external_lookup": False, "behaviour": True}


def written(folder: Path, value: Any) -> str:
    path = folder / "answers.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def same_rows(folder: Path) -> str:
    path = folder / "same rows.jsonl"
    path.write_text((json.dumps({"prompt": "q", "completion": "a"}) + "\n") * 800)
    return str(path)


def test_800_identical_rows_are_no_reason_to_train(live: Live, tmp_path: Path) -> None:
    answers = written(tmp_path, NEW | {"examples": 800, "quality": "high"})
    alone = json.loads(live("decide", "--answers", answers, "--json").stdout)
    assert alone["verdict"] == "fine_tune"
    rows = same_rows(tmp_path)
    done = live("decide", "--answers", answers, "--data", rows, "--json")
    counted = json.loads(done.stdout)
    assert counted["verdict"] == "collect_data"
    assert set(counted) > KEYS
    assert counted["measured"] is False
    told = " ".join(reason["sentence"] for reason in counted["because"])
    assert "799 of 800 rows repeat" in told
    for reason in counted["because"]:
        assert reason["rule"]
        assert reason["source"]


def test_the_file_that_the_answers_name_is_read_from_where_they_are(
    live: Live, tmp_path: Path
) -> None:
    rows = same_rows(tmp_path)
    answers = written(tmp_path, NEW | {"quality": "high", "data": Path(rows).name})
    told = json.loads(live("decide", "--answers", answers, "--json").stdout)
    assert told["answered_by_facts"] == {"examples": 1}
    assert told["verdict"] == "collect_data"
    Path(rows).unlink()
    done = live("decide", "--answers", answers, "--json")
    assert "no rows were counted" in done.stderr
    assert json.loads(done.stdout)["answered_by_facts"] == {}


def test_text_tells_the_verdict_its_reasons_and_a_command(live: Live, tmp_path: Path) -> None:
    answers = written(tmp_path, NEW | {"goal": "strict \x1b[2JJSON", "quality": "high"})
    told = live("decide", "--answers", answers, "--data", "demo:orders").stdout
    lines = told.splitlines()
    assert "Fine-tuning (provisional: by rules, nothing was measured)" in lines
    assert "    tunewright train MODEL demo:orders" in lines
    assert "\x1b" not in told
    assert all(len(line) < 80 for line in lines)
    for word in ("because", "would change it", "next", "which training"):
        assert word in lines


def test_rows_alone_are_enough_to_ask(live: Live) -> None:
    told = json.loads(live("decide", "--data", "demo:orders", "--json").stdout)
    assert told["confidence"] == "low"
    assert told["answered_by_facts"] == {"examples": 584}
    assert told["open_questions"]


def test_the_schema_is_that_of_the_answers(live: Live) -> None:
    schema = json.loads(live("decide", "--schema").stdout)
    assert "preference_pairs" in schema["$defs"]["Answers"]["properties"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing to decide on"),
        (("--answers", "absent.json"), "cannot read the answers"),
        (("--answers", "BAD"), "$.prompting"),
        (("--answers", "GOOD", "--data", "absent.jsonl"), "cannot read"),
        (("--answers", "GOOD", "--data", "BAD"), "rows have no format"),
        (("--answers", "GOOD", "--data", "demo:none"), "demo:orders"),
    ],
)
def test_bad_input_is_told_with_its_cure(
    live: Live, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "good").mkdir()
    real = {
        "GOOD": written(tmp_path / "good", NEW),
        "BAD": written(tmp_path, {"prompting": "great"}),
    }
    done = live("decide", *[real.get(word, word) for word in words], code=2)
    assert told in done.stderr
    assert "cure:" in done.stderr
    assert done.stdout == ""


def test_nothing_heavy_is_imported(live: Live, tmp_path: Path) -> None:
    words = ["decide", "--answers", written(tmp_path, NEW), "--data", same_rows(tmp_path)]
    code = (
        "import sys\n"
        f"sys.argv = ['tunewright', *{words!r}]\n"
        "from tunewright.tui.cli import main\n"
        "code = main()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=live.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"torch", "transformers", "trl", "datasets", "textual", "rich", "tokenizers", "jinja2"}
    assert not heavy & set(done.stderr.split())
