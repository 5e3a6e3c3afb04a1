"""Hostile files through every verb of `tunewright data`: findings or one clear error; never a
traceback, a changed terminal, a changed source or a half-written file."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from live import Live

GOOD = [
    {"prompt": f"what is the number {n} of it", "completion": f"it is {n * 7}"} for n in range(120)
]
LINES = "".join(json.dumps(row) + "\n" for row in GOOD).encode()
NOISE = bytes(random.Random(1).randbytes(200_000))


def row(prompt: str, completion: str) -> bytes:
    return json.dumps({"prompt": prompt, "completion": completion}).encode() + b"\n"


FILES: dict[str, Callable[[], bytes]] = {
    "fifty-megabytes.jsonl": lambda: LINES + row("how long", "word and more " * 3_600_000),
    "null-bytes.jsonl": lambda: LINES + b"\0" * 100_000 + b"\n" + row("a\0b", "c"),
    "million-columns.jsonl": lambda: (
        LINES + json.dumps({f"c{n}": n for n in range(10**6)}).encode()
    ),
    "million-columns.csv": lambda: b",".join(b"c%d" % n for n in range(10**6)) + b"\n1,2\n",
    "deep.jsonl": lambda: LINES + b'{"prompt": ' + b"[" * 10**5 + b"]" * 10**5 + b"}\n",
    "deep.json": lambda: b"[" * 10**5 + b"]" * 10**5,
    "lies.parquet": lambda: LINES,
    "lies.jsonl": lambda: b"PAR1" + NOISE,
    "lies.csv": lambda: LINES,
    "cut.jsonl.gz": lambda: gzip.compress(LINES + row("n", NOISE.hex()))[:-60_000],
    "escapes.jsonl": lambda: LINES + row("\x1b[2J\x1b]0;owned\x07", "\x9b31m\u202e [/] red"),
    "markup.jsonl": lambda: (
        LINES + row("[bold red]x[/] [link=file:///x]y[/link]", "[/] [/nothing]")
    ),
    "\x1b[31mname[bold].jsonl": lambda: LINES + b"broken\n",
    "noise.jsonl": lambda: NOISE,
    "empty.jsonl": lambda: b"",
}
LARGE = ("fifty-megabytes.jsonl", "million-columns.jsonl", "million-columns.csv")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, make in FILES.items():
        (folder / name).write_bytes(make())
    return {name: folder / name for name in FILES}


VERBS = ["check", "fix", "preview", "split"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_it(
    verb: str, live: Live, hostile: dict[str, Path], tmp_path: Path, tiny_model: Path
) -> None:
    small = {name: path for name, path in hostile.items() if name not in LARGE}
    walk(verb, live, small, tmp_path, tiny_model)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_what_is_large(
    verb: str, live: Live, hostile: dict[str, Path], tmp_path: Path, tiny_model: Path
) -> None:
    walk(verb, live, {name: hostile[name] for name in LARGE}, tmp_path, tiny_model)


def walk(verb: str, live: Live, files: dict[str, Path], tmp_path: Path, tiny_model: Path) -> None:
    for number, (name, path) in enumerate(files.items()):
        out = tmp_path / f"out{number}"
        words = {
            "check": [],
            "fix": ["--fix", "trim=control", "--fix", "dedupe", "--out", f"{out}.jsonl"],
            "preview": ["--tokenizer", str(tiny_model), "--first", "100", "--rows", "30"],
            "split": ["--out", str(out)],
        }[verb]
        before = path.stat()
        done = live("data", verb, str(path), *words, code=None)
        said = f"{verb} {name!r}: {done.returncode}\n{done.stdout[-500:]}\n{done.stderr[-500:]}"
        assert done.returncode in (0, 2, 4), said
        assert "Traceback" not in done.stderr, said
        assert not CONTROL.search(done.stdout + done.stderr), said
        if done.returncode == 2:
            assert "why:" in done.stderr, said
            assert "cure:" in done.stderr, said
            assert not list(tmp_path.glob(f"out{number}*")), said
        after = path.stat()
        assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns), said
    assert not [left for left in tmp_path.rglob("*") if left.name.endswith(".tmp")]


def test_what_is_printed_for_programs_is_whole_json(live: Live, hostile: dict[str, Path]) -> None:
    for name in ("escapes.jsonl", "null-bytes.jsonl", "\x1b[31mname[bold].jsonl", "cut.jsonl.gz"):
        code = 0 if name == "escapes.jsonl" else 4
        done = live("data", "check", str(hostile[name]), "--json", code=code)
        told = json.loads(done.stdout)
        assert list(told) == ["rows", "format", "verdict", "findings"]
        assert told["verdict"] == ("look" if code == 0 else "blocked")
        for finding in told["findings"]:
            assert list(finding) == ["id", "severity", "count", "message", "rows"]
            assert all(list(place) == ["file", "line", "field"] for place in finding["rows"])
