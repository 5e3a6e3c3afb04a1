"""What tokens of rows cost beside the tokenizer's own batch mode, and what memory planning and
tokenising take.

    python tests/bench/bench_tokens.py MODEL [--rows 10000] [--rounds 7]
    python tests/bench/bench_tokens.py MODEL --memory 10000 100000 1000000

Batch mode is `tokenizers.Tokenizer.encode_batch` (and `encode_batch_fast`, which keeps no offsets)
on the same texts, rendered beforehand, 256 at a time, with the ids taken as lists. Ours is what the
trainer gets: two renders of the template, ids and masked labels. In one process, on one core, in
turns; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_data import write_rows

os.environ["TOKENIZERS_PARALLELISM"] = "false"


def clean_rows(folder: Path, count: int) -> Path:
    """Rows of the data benchmark without those that cannot be trained on."""
    whole = write_rows(folder / "chat.jsonl", count)
    path = folder / "clean.jsonl"
    with whole.open() as rows, path.open("w") as kept:
        kept.writelines(row for row in rows if '"content": ""' not in row)
    whole.unlink()
    return path


def bench_speed(model: Path, count: int, rounds: int) -> None:
    from tunewright.engine.data.read import read_examples
    from tunewright.engine.data.tokens import Renderer

    renderer = Renderer.open(model)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(read_examples(clean_rows(Path(folder), count)).examples)
    texts = [renderer.whole_text(row) for row in rows]
    tokenizer = renderer.tokenizer

    def batches(encode: Callable[..., list[object]]) -> int:
        return sum(
            len(encoding.ids)  # type: ignore[attr-defined]
            for at in range(0, len(texts), 256)
            for encoding in encode(texts[at : at + 256], add_special_tokens=False)
        )

    ways: dict[str, Callable[[], int]] = {
        "encode_batch": lambda: batches(tokenizer.encode_batch),
        "encode_batch_fast": lambda: batches(tokenizer.encode_batch_fast),
        "ours": lambda: sum(len(row.labels) for row in renderer.tokenize_all(rows, "completion")),
        "templates": lambda: sum(
            len(renderer.whole_text(row)) + len(renderer.prompt_text(row.messages[:-1]))
            for row in rows
        ),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    tokens = {way() for name, way in ways.items() if name != "templates"}
    assert len(tokens) == 1, "they did not make the same tokens"
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            way()
            spent[name].append((time.process_time() - started) / len(rows) * 1e6)
    per_row = {name: statistics.median(some) for name, some in spent.items()}
    print(f"{len(rows):,} rows, {tokens.pop():,} tokens; CPU microseconds a row:")
    for name, value in per_row.items():
        print(f"  {name:18} {value:6.1f}")
    for name in ("encode_batch", "encode_batch_fast"):
        shares = [
            statistics.median(
                b / (o - t) for b, o, t in zip(spent[name], spent["ours"], taken, strict=True)
            )
            for taken in ([0.0] * rounds, spent["templates"])
        ]
        print(
            f"  ours runs at {shares[0]:.0%} of the speed of {name} with templates and masks, "
            f"{shares[1]:.0%} without the templates"
        )


PLANNING = """
import json, resource, sys, time
from pathlib import Path
from tunewright.engine.session import DataInput, Inputs
from tunewright.tui.looking import look_at_model, look_at_rows
if __name__ == "__main__":
    inputs = Inputs(name="bench", model=sys.argv[2], data=DataInput(path=sys.argv[1]))
    model = look_at_model(inputs, Path("/"), print)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = look_at_rows(inputs, Path("/"), model)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rows": found.facts.rows, "before": before * 1024, "peak": peak * 1024,
        "cpu": time.process_time()}))
"""

TOKENISING = """
import json, resource, sys, time
from pathlib import Path
import datasets, pyarrow
from tunewright.engine.data.prepared import read_split
from tunewright.engine.data.tokens import Renderer
from tunewright.engine.run.job import Job, NoOrders
from tunewright.engine.session import DataInput
from tunewright.engine.train.token_files import token_files, token_sets
if __name__ == "__main__":
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = read_split(DataInput(path=sys.argv[1]), Path("/"), 42)
    model, run = Path(sys.argv[2]), Path(sys.argv[3])
    job = Job(run, None, model, 1, "cpu", lambda event: None, NoOrders())
    with token_files(job):
        made = token_sets(job, Renderer.open(model), {"train": rows.train, "eval": rows.held},
            "completion")
        count = sum(map(len, made.values()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rows": count, "before": before * 1024, "peak": peak * 1024,
        "cpu": time.process_time()}))
"""


def bench_memory(model: Path, counts: list[int]) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            rows = clean_rows(Path(folder), count)
            for title, script in (("planning", PLANNING), ("tokenising", TOKENISING)):
                done = subprocess.run(
                    [sys.executable, "-c", script, str(rows), str(model), folder],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    raise SystemExit(done.stderr[-2000:])
                found = json.loads(done.stdout.splitlines()[-1])
                grown = (found["peak"] - found["before"]) / count
                print(
                    f"{title} {count:,} rows ({rows.stat().st_size / 1e6:,.0f} MB): peak RSS "
                    f"{found['peak'] / 2**20:,.0f} MiB, {found['before'] / 2**20:,.0f} of it "
                    f"before the first row, {grown:,.0f} bytes a row; {found['cpu']:.1f} CPU s"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=int, nargs="*", default=[], metavar="ROWS")
    asked = parser.parse_args()
    if asked.memory:
        bench_memory(asked.model, asked.memory)
    else:
        bench_speed(asked.model, asked.rows, asked.rounds)
