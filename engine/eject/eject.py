"""A run as a script that needs no Tunewright: plain transformers, TRL and peft, same losses.

Beside `train.py` stand the rows as they were split, and a configuration for `accelerate launch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.example import Example
from tunewright.engine.data.prepared import read_split
from tunewright.engine.eject.accelerate import accelerate_config
from tunewright.engine.eject.script import render_script
from tunewright.engine.homes import cache_home
from tunewright.engine.model import resolve_model
from tunewright.engine.session import load_session
from tunewright.engine.train.rules.consistency import check_plan
from tunewright.engine.train.threads import recorded_threads
from tunewright.hardware.errors import Problem


def eject(source: Path, out: Path) -> Path:
    """Write train.py, data/*.jsonl and accelerate.yaml to `out`; returns the script's path.

    `source` is a run directory or a session file with a plan. `Problem` when there is no plan, the
    data changed since, or `out` holds something.
    """
    path = source / "session.json" if source.is_dir() else source
    session = load_session(path)
    plan = session.plan
    if plan is None:
        raise Problem(
            f"{path} has no plan",
            why="a script needs settings, and this session only says what is wanted",
            cure="plan it first: tunewright --replay SESSION --dry-run",
        )
    check_plan(plan)
    if out.exists() and any(out.iterdir()):
        raise Problem(
            f"{out} is not empty",
            why="a file of yours could be overwritten",
            cure="name a new folder",
        )
    base = path.parent
    model = resolve_model(session.inputs.model, base, cache_home())
    train, held_out, _ = read_split(session.inputs.data, base, session.inputs.seed)
    # It holds the person's rows: private, as the run directory was.
    for folder in (out, out / "data"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_rows(out / "data" / "train.jsonl", train)
    _write_rows(out / "data" / "eval.jsonl", held_out)
    (out / "accelerate.yaml").write_text(accelerate_config(plan), encoding="utf-8")
    threads = recorded_threads(base / "results").get("train")
    script = out / "train.py"
    script.write_text(render_script(session, model, bool(held_out), threads), encoding="utf-8")
    return script


def _write_rows(path: Path, examples: Sequence[Example]) -> None:
    path.write_bytes(b"".join(_lines(examples)))


def _lines(examples: Iterable[Example]) -> Iterable[bytes]:
    for example in examples:
        turns = [message.turn() for message in example.messages]
        row: dict[str, Any] = {"messages": turns}
        if example.tools:
            row["tools"] = list(example.tools)
        yield msgspec.json.encode(row) + b"\n"
