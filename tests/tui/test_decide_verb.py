"""`tunewright decide`: the verdict on stdout, bad input told, nothing heavy imported."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
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


def mail_rows(folder: Path, spoil: Callable[[int, dict[str, str]], dict[str, str]]) -> str:
    """300 distinct rows of prompt and JSON, spoiled."""
    path = folder / "rows.jsonl"
    items = "lamp chair desk mug rug clock shelf bowl".split()
    rows = [
        {
            "prompt": f"customer {n * 7919} wants {n % 9} of our {items[n % 8]} by {n}",
            "completion": json.dumps({"customer": n * 7919, "item": items[n % 8], "qty": n % 9}),
        }
        for n in range(300)
    ]
    spoiled = (json.dumps(spoil(n, row)) for n, row in enumerate(rows))
    path.write_text("".join(f"{line}\n" for line in spoiled))
    return str(path)


SPOILED: dict[str, Callable[[int, dict[str, str]], dict[str, str]]] = {
    "repeats": lambda n, row: {"prompt": "one", "completion": "and the same"},
    "copied": lambda n, row: row | {"completion": row["prompt"]},
    "constant": lambda n, row: row | {"completion": "thank you"},
    "truncated": lambda n, row: (
        row | {"completion": row["completion"][: 10 + n % 20]} if n % 10 else row
    ),
    "unrelated": lambda n, row: (
        row | {"completion": json.dumps({"customer": (n + 97) % 300 * 7919, "item": "lamp"})}
    ),
}


@pytest.mark.parametrize("id", SPOILED)
def test_rows_that_would_fool_it_are_not_measured_and_what_to_repair_comes_first(
    live: Live, tmp_path: Path, id: str
) -> None:
    rows = mail_rows(tmp_path, SPOILED[id])
    kit = tmp_path / "kit"
    words = ["decide", "--data", rows, "--model", str(live.model), "--kit", str(kit)]
    done = live(*words, "--json")
    found = json.loads(done.stdout)
    assert found["verdict"] == "collect_data"
    assert found["measured"] is False
    assert id in [trouble["id"] for trouble in found["repair"]]
    assert found["next_step"]["sentence"].startswith("repair first:")
    assert "nothing was measured" in done.stderr
    assert not (live.home / "runs").exists()
    assert (kit / "template.jsonl").read_text().startswith('{"messages"')
    assert "# Rows that are missing" in (kit / "missing.md").read_text()
    told = live(*words).stdout
    assert "to repair" in told.splitlines()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--answers", "GOOD", "--model", "MODEL"), "no rows to measure on"),
        (("--data", "ROWS", "--model", "absent"), "there is no model"),
        (("--data", "ROWS", "--model", "http://8.8.8.8/v1"), "not on your network"),
        (("--data", "ROWS", "--model", "MODEL", "--rows", "0"), "--rows 0 makes no sense"),
        (("--data", "ROWS", "--model", "MODEL", "--target", "2"), "--target 2 makes no sense"),
        (("--data", "ROWS", "--kit", "/proc/none"), "cannot be written"),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_runs(
    live: Live, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    real = {
        "GOOD": written(tmp_path, NEW),
        "ROWS": str(live.train),
        "MODEL": str(live.model),
    }
    done = live("decide", *[real.get(word, word) for word in words], code=2)
    assert told in done.stderr
    assert done.stdout == ""
    assert not (live.home / "runs").exists()


def test_a_run_that_is_not_there_answers_nothing(live: Live) -> None:
    done = live("ask", "no-such-run", "what?", code=2)
    assert "no run is called" in done.stderr


@pytest.mark.slow
def test_measured_decided_asked_and_replayed(live: Live) -> None:
    """The whole of it on the tiny model: a detached run with a pilot, its verdict, its kit, and a
    replay that is equal digit for digit."""
    words = ["decide", "--data", str(live.train), "--eval-data", str(live.held)]
    words += ["--model", str(live.model), "--rows", "6", "--pilot", "always", "--shots", "2"]
    done = live(*words, "--json")
    found = json.loads(done.stdout)
    assert found["measured"] is True
    assert "exact match on 6 rows" in found["measurement"]
    (place,) = (live.home / "runs").iterdir()
    assert {"evidence.json", "pilot.json", "decision.json"} <= {
        path.name for path in (place / "results").iterdir()
    }
    answers = json.loads(live("ask", "last", "Ana orders 3 lamp", "--json").stdout)
    assert answers[0]["question"] == "Ana orders 3 lamp"
    replayed = live("--replay", str(place / "session.json"), "--json")
    comparison = json.loads(replayed.stdout)["comparison"]
    assert comparison["equal"], comparison
    assert comparison["tolerance"] is None
    report = live("report", "last").stdout
    assert "exact match" in report


GOOD = {"examples": 800, "quality": "high", "preference_pairs": 0}
ASKED = {"external_lookup": False, "prompting": "fails"}
ENDINGS: list[tuple[str, dict[str, Any]]] = [
    ("prompting", {"prompting": "untried"} | GOOD),
    ("prompting", {"prompting": "untried", "examples": 0}),
    ("prompting", {"prompting": "works"}),
    ("rag", ASKED | {"knowledge": "static", "behaviour": False}),
    ("tools", {"external_lookup": True}),
    ("fine_tune", NEW | GOOD),
    ("fine_tune", NEW | {"examples": 300, "quality": "high"}),
    ("fine_tune_rag", ASKED | GOOD | {"knowledge": "changes_monthly", "behaviour": True}),
    ("collect_data", NEW | {"examples": 20}),
]


@pytest.mark.parametrize(("verdict", "answers"), ENDINGS)
def test_every_verdict_ends_in_a_command_that_this_program_has(
    live: Live, tmp_path: Path, verdict: str, answers: dict[str, Any]
) -> None:
    from tunewright.tui.cli import _parser

    done = live("decide", "--answers", written(tmp_path, answers), "--json")
    found = json.loads(done.stdout)
    assert found["verdict"] == verdict
    program, *words = shlex.split(found["next_step"]["command"])
    assert program == "tunewright"
    _parser(words).parse_args(words)  # an unknown flag would leave
    if "--kit" not in words:
        return
    # Without a model the command does all it can at once: it writes what is to be filled in.
    kit = tmp_path / "kit"
    words = [word.replace("KIT", str(kit)).replace("DATA", str(live.train)) for word in words]
    live(*words)
    assert (kit / "missing.md").read_text().startswith("# ")
    rows = (kit / "template.jsonl").read_text().splitlines()
    assert all(json.loads(row)["messages"][-1]["role"] == "assistant" for row in rows)
    if verdict != "collect_data":
        assert len(rows) == {"tools": 10}.get(verdict, 20)
        assert (
            f"tunewright decide --data {kit}/template.jsonl --model MODEL"
            in (kit / "missing.md").read_text()
        )


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
