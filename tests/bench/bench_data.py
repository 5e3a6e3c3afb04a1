"""What checking data costs: rows/s, seconds of each family, peak memory; beside it a plain script
of `datasets.map` and datasketch that checks much less.

    python tests/bench/bench_data.py [10000 100000 1000000] [--plain-up-to 100000] [--tokens MODEL]
        [--screen]

The rows are ordinary English chat made from a seeded vocabulary, about 600 bytes each, with one in
fifty repeated, one in a hundred changed in a word, and a sprinkle of everything that is looked for.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

COMMON = (
    "the of and to a in is that for it with as was on are be this by at from or have an not they "
    "which you one we all can has there been if more when will would who so no what up about into "
    "than them only some could time these two may first then do any now like our over such new "
    "most other after also did many where through back years way well down should because each "
    "people how its make see know get very must between both under life being work used same"
).split()


def write_rows(path: Path, count: int, seed: int = 7) -> Path:
    """`count` chat rows, the same for the same seed."""
    draw = random.Random(seed)
    letters = "bcdfghjklmnprstvw"
    vowels = "aeiou"
    rare = [
        "".join(draw.choice(letters) + draw.choice(vowels) for _ in range(draw.randint(2, 4)))
        for _ in range(20_000)
    ]
    weights = [1 / (rank + 5) for rank in range(len(rare))]
    total = 0.0
    cumulative = [total := total + weight for weight in weights]

    def sentence(words: int) -> str:
        said = draw.choices(COMMON, k=words) + draw.choices(rare, cum_weights=cumulative, k=words)
        draw.shuffle(said)
        return " ".join(said).capitalize()

    with path.open("w") as file:
        kept: list[list[dict[str, str]]] = []
        for row in range(count):
            if kept and row % 50 == 0:
                turns = draw.choice(kept)
            elif kept and row % 100 == 1:
                turns = [dict(turn) for turn in draw.choice(kept)]
                turns[1]["content"] = turns[1]["content"] + " " + draw.choice(rare)
            else:
                turns = [
                    {"role": "user", "content": sentence(draw.randint(6, 12)) + "?"},
                    {
                        "role": "assistant",
                        "content": ". ".join(
                            sentence(draw.randint(5, 9)) for _ in range(draw.randint(3, 6))
                        )
                        + f". It was {draw.randint(1, 3000)} in {draw.randint(1900, 2030)}.",
                    },
                ]
                if row % 500 == 3:
                    turns[0]["content"] += f" Write to {draw.choice(rare)}@{draw.choice(rare)}.com"
                if row % 500 == 7:
                    turns[1]["content"] += " Call +1 650-253-0000, or 10.5 at 4111 1111 1111 1111."
                if row % 1000 == 11:
                    turns[1]["content"] = "I'm sorry, but I can't help with that."
                if row % 2000 == 13:
                    turns[1]["content"] = ""
                if len(kept) < 1000:
                    kept.append(turns)
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


OURS = """
import json, resource, sys, time
from pathlib import Path
from tunewright.engine.data.inspect import open_inspection
from tunewright.engine.data.checks.check import Options
if __name__ == "__main__":
    started, first = time.perf_counter(), []
    inspection = open_inspection(Path(sys.argv[1]), Options(tokenizer=sys.argv[2] or None))
    def seen(now):
        if not first and now.total.count:
            first.append(time.perf_counter() - started)
    report = inspection.run(seen)
    wall = time.perf_counter() - started
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"wall": wall, "rows": report.rows, "first": first[0] if first else None,
        "rss": own * 1024, "worker_rss": children * 1024, "seconds": report.seconds,
        "found": {f.id: f.count for f in report.findings}}))
"""

# What people write today: load, a map that looks for the obvious, MinHash for near duplicates.
PLAIN = """
import json, re, resource, sys, time
import datasets
from datasketch import MinHash, MinHashLSH
datasets.disable_progress_bars()
if __name__ == "__main__":
    started = time.perf_counter()
    rows = datasets.load_dataset("json", data_files=sys.argv[1], split="train",
        cache_dir=sys.argv[2])
    email = re.compile(r"[\\w.+-]+@[\\w-]+\\.[\\w.]+")
    def look(row):
        text = " ".join(turn["content"] for turn in row["messages"])
        return {"empty": not row["messages"][-1]["content"], "email": bool(email.search(text))}
    looked = rows.map(look, num_proc=2)
    lsh = MinHashLSH(threshold=0.8, num_perm=128)
    near = 0
    for number, row in enumerate(looked):
        sketch = MinHash(num_perm=128)
        for turn in row["messages"]:
            words = turn["content"].lower().split()
            sketch.update_batch([" ".join(words[at:at + 3]).encode() for at in range(len(words))])
        if lsh.query(sketch):
            near += 1
        else:
            lsh.insert(number, sketch)
    wall = time.perf_counter() - started
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"wall": wall, "rows": len(rows), "rss": own * 1024, "near": near}))
"""

# On the texts that the template makes, rendered beforehand: the same tokens.
TOKENS = """
import json, sys, time
from pathlib import Path
from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.data.tokens import Renderer
renderer = Renderer.open(Path(sys.argv[2]))
texts = []
for line in open(sys.argv[1]):
    turns = tuple(Message(turn["role"], turn["content"]) for turn in json.loads(line)["messages"])
    texts.append(renderer.whole_text(Example(turns, Place("row", 1))))
encode = renderer.tokenizer.encode_batch
encode(texts[:1000])
started, spent = time.perf_counter(), time.process_time()
for at in range(0, len(texts), 1000):
    encode(texts[at:at + 1000], add_special_tokens=False)
print(json.dumps({"wall": time.perf_counter() - started, "cpu": time.process_time() - spent}))
"""


def run(code: str, *arguments: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        # A file: processes that are spawned import the main module by its path.
        script = Path(folder) / "script.py"
        script.write_text(code)
        done = subprocess.run(
            [sys.executable, str(script), *arguments], capture_output=True, check=False, text=True
        )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def seconds_on_screen(path: Path, home: Path) -> tuple[float, float]:
    """(seconds until rows, until the first finding stand on the real Data screen) from the moment
    that the screen is asked for, in a real pseudo terminal."""
    from terminal import Terminal

    from tunewright.engine.session import VERSION, DataInput, Inputs, Session, save_session

    # No model is read, which would take a core from the checks at some moment of the run.
    inputs = Inputs(name="bench", model=str(home / "absent"), data=DataInput(path=str(path)))
    save_session(Session(VERSION, inputs), home / "s.json")
    environment = {**os.environ, "TUNEWRIGHT_HOME": str(home), "LANG": "C.UTF-8"}
    program = str(Path(sys.executable).with_name("tunewright"))
    with Terminal([program, "--session", str(home / "s.json")], environment, 100, 30) as screen:
        screen.until("q quit")
        screen.read(2)
        screen.press("3")
        started = time.monotonic()
        rows = finding = 0.0
        while not (rows and finding) and time.monotonic() - started < 60:
            screen.read(0.02)
            rows = rows or (time.monotonic() - started) * _lists_rows(screen.shown)
            told = re.search(r"\d+ (error|warning|note|hint|info)", screen.shown)
            finding = finding or (time.monotonic() - started) * (told is not None)
        if not finding:
            raise SystemExit(f"no finding was ever shown:\n{screen.shown}")
        screen.press("q")
        screen.read(1)
        return rows, finding


def _lists_rows(shown: str) -> bool:
    """Whether a line holds a row: its number, and what is asked. The first line names the steps."""
    return any(re.match(r"\W*\d+\s{2,}\w", line) for line in shown.splitlines()[1:])


def bench_data(counts: list[int], plain_up_to: int, model: str, screen: bool) -> None:
    gib = 2**30
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = write_rows(Path(folder) / "chat.jsonl", count)
            ours = run(OURS, str(path), "")
            wall, rss = float(str(ours["wall"])), int(str(ours["rss"]))
            workers = int(str(ours["worker_rss"]))
            size = path.stat().st_size / 1e6
            print(f"{count:,} rows, {size:.0f} MB")
            print(
                f"  tunewright, every check but tokens: {wall:.1f} s, {count / wall:,.0f} rows/s; "
                f"first finding after {ours['first'] or 0:.2f} s; peak RSS {rss / gib:.2f} GiB and "
                f"{workers / gib:.2f} GiB in each worker"
            )
            print(f"    CPU seconds: {ours['seconds']}")
            print(f"    found: {ours['found']}")
            if count <= plain_up_to:
                plain = run(PLAIN, str(path), folder)
                slow = float(str(plain["wall"]))
                print(
                    f"  datasets.map + datasketch: {slow:.1f} s, {count / slow:,.0f} rows/s; peak "
                    f"RSS {int(str(plain['rss'])) / gib:.2f} GiB; {plain['near']} near duplicates"
                )
            if screen:
                rows, finding = seconds_on_screen(path, Path(folder))
                print(
                    f"  on the Data screen: rows after {rows:.2f} s, "
                    f"a finding after {finding:.2f} s"
                )
            if model:
                whole = run(OURS, str(path), model)
                alone = run(TOKENS, str(path), model)
                ours_tokens, theirs = float(str(whole["wall"])), float(str(alone["cpu"]))
                spent = dict(whole["seconds"])["lengths"]  # type: ignore[call-overload]
                print(
                    f"  with tokens: {ours_tokens:.1f} s in all, {spent:.1f} CPU s of it for "
                    f"templates and tokens; the tokenizer's batch mode alone: {theirs:.1f} CPU s"
                )


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--plain-up-to", type=int, default=10_000)
    parser.add_argument("--tokens", default="", metavar="MODEL")
    parser.add_argument("--screen", action="store_true")
    asked = parser.parse_args()
    bench_data(asked.rows, asked.plain_up_to, asked.tokens, asked.screen)
