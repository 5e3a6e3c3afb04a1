"""The command line, a stable contract: exit codes, data on stdout, light imports, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from live import Live

from tunewright.engine.planner import plan_recorded
from tunewright.engine.session import load_session, save_session
from tunewright.tui.cli import VERBS


@pytest.fixture
def session(live: Live, tmp_path: Path) -> Path:
    """A planned session of the tiny model."""
    path = tmp_path / "session.json"
    live(*live.words("--dry-run", "--save", str(path), steps=20))
    return path


def change(path: Path, edit: Any) -> Path:
    value = json.loads(path.read_text())
    edit(value)
    changed = path.with_name("changed.json")
    changed.write_text(json.dumps(value))
    return changed


def test_version_and_help_name_what_works(live: Live) -> None:
    assert live("--version").stdout.startswith("tunewright 0.")
    told = live("--help").stdout
    assert all(verb in told for verb in VERBS)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_in_the_help_has_a_help(live: Live, verb: str) -> None:
    assert "usage: tunewright" in live(verb, "--help").stdout


HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "textual",
    "rich",
    "tokenizers",
    "jinja2",
)


def imported_by(live: Live, *words: str) -> set[str]:
    """Top-level modules that a verb has imported when it ends, in a fresh process."""
    told = live.home.parent / "modules.txt"
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: open({str(told)!r}, 'w').write(' '.join(sys.modules)))\n"
        f"sys.argv = ['tunewright', *{list(words)!r}]\n"
        "from tunewright.tui.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=live.environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    found = {name.partition(".")[0] for name in told.read_text().split()}
    told.unlink()
    return found


def test_headless_verbs_import_nothing_heavy(live: Live, session: Path) -> None:
    for words in (
        ("--version",),
        ("--replay", str(session), "--dry-run"),
        ("runs",),
        ("methods",),
        ("schema",),
        ("hardware",),
    ):
        assert not imported_by(live, *words) & set(HEAVY), words


def test_planning_here_imports_no_training_stack(live: Live) -> None:
    words = live.words("--dry-run", steps=20)
    assert not imported_by(live, *words) & {"torch", "transformers", "trl", "datasets", "textual"}


def test_a_dry_run_makes_the_recorded_plan_again(live: Live, session: Path) -> None:
    done = live("--replay", str(session), "--dry-run", "--json")
    answer = json.loads(done.stdout)
    assert answer["plan"] == json.loads(session.read_text())["plan"]
    live("--replay", str(session), "--dry-run", "--on", "here")


def test_a_changed_plan_is_named_by_its_path(live: Live, session: Path) -> None:
    def edit(value: Any) -> None:
        value["plan"]["settings"]["training.learning_rate"]["value"] = 0.5

    done = live("--replay", str(change(session, edit)), "--dry-run", code=5)
    assert "plan.settings.training.learning_rate.value: 0.5 -> " in done.stderr


def test_changed_data_is_named(live: Live, session: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(live.train.read_bytes())
    path = tmp_path / "own.json"
    words = live.words("--dry-run", "--save", str(path), steps=20)
    live(*[str(copy) if word == str(live.train) else word for word in words])
    copy.write_bytes(copy.read_bytes() + copy.read_bytes().splitlines(keepends=True)[0])
    for on in ("recorded", "here"):
        done = live("--replay", str(path), "--dry-run", "--on", on, code=5)
        assert "not the data that was planned with" in done.stderr


def test_a_plan_that_does_not_fit_stops_before_anything_loads(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    words = live.words("--set", "per_device_train_batch_size=50000000", steps=20)
    assert "no" in live(*words, "--dry-run", "--save", str(path), code=3).stdout
    assert "does not fit" in live(*words, code=3).stderr
    live("--replay", str(path), "--dry-run", code=3)
    assert "does not fit" in live("--replay", str(path), code=3).stderr
    assert not list(live.home.glob("runs/*"))


def test_a_machine_that_leads_to_another_plan_is_named(live: Live, session: Path) -> None:
    def edit(value: Any) -> None:
        value["recorded"]["snapshot"]["host"]["ram_available_bytes"] = 1000

    # That it does not fit comes before that it is another plan; both are told.
    done = live("--replay", str(change(session, edit)), "--dry-run", code=3)
    assert "plan.method.value: lora -> qlora" in done.stderr
    assert "does not fit" in done.stderr


def test_a_plan_recorded_on_a_larger_machine_does_not_start_on_this_one(
    live: Live, tmp_path: Path
) -> None:
    path = tmp_path / "huge.json"
    words = live.words("--set", "per_device_train_batch_size=50000000", steps=20)
    live(*words, "--dry-run", "--save", str(path), code=3)
    session = load_session(path)
    assert session.recorded is not None
    snapshot = session.recorded.snapshot
    host = msgspec.structs.replace(snapshot.host, ram_available_bytes=1 << 60)
    larger = msgspec.structs.replace(snapshot, host=host)
    recorded = msgspec.structs.replace(session.recorded, snapshot=larger)
    save_session(plan_recorded(session, recorded), path)
    live("--replay", str(path), "--dry-run")
    assert (
        "does not fit this machine"
        in live("--replay", str(path), "--on", "recorded", code=3).stderr
    )
    assert not list(live.home.glob("runs/*"))


def test_a_foreign_session_cannot_speak_to_the_terminal(live: Live, session: Path) -> None:
    def edit(value: Any) -> None:
        value["plan"]["settings"]["\x1b]0;owned\x07"] = value["plan"]["settings"]["lora.r"]

    done = live("--replay", str(change(session, edit)), "--dry-run", code=5)
    assert "\x1b" not in done.stderr
    assert "owned" in done.stderr


def test_every_verb_takes_json(live: Live) -> None:
    for verb in VERBS:
        words = (verb, "check") if verb == "data" else (verb,)
        assert "--json" in live(*words, "--help").stdout, verb


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "MODEL", "absent.jsonl"), "cannot read"),
        (("train", "absent", "DATA"), "there is no model"),
        (("train", "MODEL", "DATA", "--set", "learning_rat=1"), "learning_rate"),
        (("train", "MODEL", "DATA", "--set", "learning_rate"), "says no value"),
        (("train", "MODEL", "DATA", "--set", "learning_rate=-1"), "learning_rate"),
        (("train", "MODEL", "DATA", "--set", "hub_token=x"), "hub_token"),
        (("train", "MODEL", "DATA", "--method", "magic"), "magic"),
        (("train", "MODEL", "DATA", "--stages", "bake"), "bake"),
        (("train", "MODEL", "DATA", "--stages", "evidence"), "no stage evidence"),
        (("train", "MODEL", "DATA", "--format", "csv"), "csv"),
        (("train", "MODEL", "DATA", "--eval-fraction", "7"), "makes no sense"),
        (("train", "MODEL", "DATA", "--max-steps", "0"), "above 0"),
        (("train", "MODEL", "DATA", "--set", "max_length=16"), "lose the end of their answer"),
        (("train", "MODEL", "DATA", "--run-dir", "/proc/none"), "cannot make the run directory"),
        (("--replay", "absent.json"), "cannot read the session"),
        (("--replay", "DATA"), "is not"),
        (("attach", "nothing"), "no run is called"),
        (("stop", "nothing"), "no run is called"),
        (("resume", "nothing"), "no run is called"),
        (("report", "nothing"), "no run is called"),
        (("eject", "nothing"), "no run is called"),
        ((), "no terminal"),
        (("train", "MODEL", "DATA", "--stages", ""), "no stage is left"),
        (("train", "MODEL", "DATA", "--stages", "evaluate"), "cannot run without 'train'"),
        (("train", "MODEL", "DATA", "--seed", "-1"), "out of range"),
        (("train", "MODEL", "DATA", "--timeout", "nan"), "above 0"),
        (("train", "MODEL", "DATA", "--dry-run", "--save", "/absent/s.json"), "/absent"),
    ],
)
def test_bad_input_is_told_with_its_cure(live: Live, words: tuple[str, ...], told: str) -> None:
    real = {"MODEL": str(live.model), "DATA": str(live.train)}
    done = live(*[real.get(word, word) for word in words], code=2)
    assert told in done.stderr
    assert "cure:" in done.stderr or "usage" in done.stderr
    assert done.stdout == ""
    assert not list(live.home.glob("runs/*"))


def test_pickle_weights_are_refused(live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    for path in live.model.iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    done = live("train", str(folder), str(live.train), "--json", code=2)
    assert "pickle" in done.stderr
    assert json.loads(done.stdout)["error"]["exit"] == 2


def test_escapes_in_data_never_reach_the_terminal(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"prompt": "q", "completion": {"\x1b[2Jx": "[bold]y\u202e"}}) + "\n")
    done = live("train", str(live.model), str(path), code=2)
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr


def test_old_names_are_translated_and_said(live: Live) -> None:
    words = live.words("--dry-run", "--json", "--set", "max_seq_length=48", steps=20)
    done = live(*words)
    assert "max_length" in done.stderr
    assert json.loads(done.stdout)["plan"]["settings"]["training.max_length"]["value"] == 48
