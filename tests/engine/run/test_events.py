"""Events survive torn lines and unknown kinds, and a newer attempt supersedes an older one."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import msgspec

from tunewright.engine.run.events import Evaluated, EventWriter, Note, Step
from tunewright.engine.run.reader import EventFile, RunEvents
from tunewright.engine.run.rollup import read_curves


def step(number: int, loss: float | None) -> Step:
    return Step(
        step=number,
        total_steps=10,
        epoch=0.1,
        loss=loss,
        learning_rate=1e-4,
        grad_norm=1.0,
        tokens=number * 10,
        tokens_per_second=5.0,
        step_seconds=0.1,
    )


def read_all(file: EventFile) -> list[object]:
    return [event for batch in file.read_new() for event in batch]


def test_a_torn_last_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "1-worker0.jsonl"
    with EventWriter(path) as writer:
        writer.write(Note(text="whole"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    file = EventFile(path)
    assert [type(e) for e in read_all(file)] == [Note]
    path.write_bytes(whole + whole)
    assert [type(e) for e in read_all(file)] == [Note]
    assert file.skipped == 0


def test_unknown_kinds_and_damaged_lines_are_counted_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "1-worker0.jsonl"
    with EventWriter(path) as writer:
        writer.write(Note(text="before"))
    with path.open("ab") as file:
        file.write(b'{"kind":"from_the_future","x":1}\n\x00\xff{]\n')
    with EventWriter(path) as writer:
        writer.write(Note(text="after"))
    reader = EventFile(path)
    assert [e.text for e in read_all(reader) if isinstance(e, Note)] == ["before", "after"]
    assert reader.skipped == 2


def test_sequence_numbers_count_up_and_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "events" / "1-worker0.jsonl"
    with EventWriter(path) as writer:
        for _ in range(3):
            writer.write(Note(text="x"))
    assert [e.seq for e in read_all(EventFile(path)) if isinstance(e, Note)] == [1, 2, 3]
    assert path.stat().st_mode & 0o777 == 0o600


def test_steps_after_a_resume_replace_those_of_the_attempt_before(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "1-worker0.jsonl") as writer:
        for number in range(1, 8):
            writer.write(step(number, float(number)))
        writer.write(Evaluated(step=5, eval_loss=5.0, seconds=1.0))
        writer.write(Evaluated(step=7, eval_loss=7.0, seconds=1.0))
    with EventWriter(tmp_path / "2-worker0.jsonl") as writer:
        for number in range(6, 10):
            writer.write(step(number, 100.0 + number))
    curves = read_curves(tmp_path)
    assert list(curves.step) == list(range(1, 10))
    assert list(curves.loss) == [1, 2, 3, 4, 5, 106, 107, 108, 109]
    assert list(curves.eval_step) == [5]


def test_a_loss_that_is_not_finite_is_kept_as_unknown(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "1-worker0.jsonl") as writer:
        writer.write(step(1, None))
    assert math.isnan(read_curves(tmp_path).loss[0])


def test_the_tenth_attempt_comes_after_the_ninth(tmp_path: Path) -> None:
    for attempt in (10, 9, 2):
        with EventWriter(tmp_path / f"{attempt}-worker0.jsonl") as writer:
            writer.write(step(1, float(attempt)))
    assert list(read_curves(tmp_path).loss) == [10.0]


def test_events_of_several_writers_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    first = EventWriter(tmp_path / "1-supervisor.jsonl")
    second = EventWriter(tmp_path / "1-worker0.jsonl")
    for index in range(3):
        first.write(Note(text=f"s{index}"))
        second.write(Note(text=f"w{index}"))
    events = RunEvents(tmp_path)
    times = [event.time for event in events.read_new()]
    assert len(times) == 6
    assert times == sorted(times)
    second.write(Note(text="later"))
    assert [e.text for e in events.read_new() if isinstance(e, Note)] == ["later"]


def test_a_step_that_no_run_reaches_is_left_out(tmp_path: Path) -> None:
    lines = [
        f'{{"kind":"step","step":{n},"loss":1.0,"learning_rate":0.1}}' for n in (1, 1 << 40, 2)
    ]
    (tmp_path / "1-worker0.jsonl").write_text("\n".join(lines) + "\n")
    assert list(read_curves(tmp_path).step) == [1, 2]


BACKLOG = """
import sys
from pathlib import Path
from tunewright.engine.run.reader import RunEvents
def held(name):
    # Of this program alone: ru_maxrss keeps the peak of the process that forked it.
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0])
before, last, count = held("VmRSS"), 0.0, 0
for event in RunEvents(Path(sys.argv[1])).read_new():
    assert event.time >= last
    last, count = event.time, count + 1
print(count, held("VmHWM") - before)
"""


def test_a_long_backlog_is_read_in_order_in_bounded_memory(tmp_path: Path) -> None:
    encode = msgspec.json.Encoder().encode
    with (tmp_path / "1-worker0.jsonl").open("wb") as worker:
        for number in range(200_000):
            event = msgspec.structs.replace(step(number, 1.0), seq=number, time=float(number))
            worker.write(encode(event) + b"\n")
    with (tmp_path / "1-supervisor.jsonl").open("wb") as supervisor:
        for number in range(0, 200_000, 100):
            note = Note(text="between", seq=number, time=number + 0.5)
            supervisor.write(encode(note) + b"\n")
    out = subprocess.check_output([sys.executable, "-c", BACKLOG, str(tmp_path)]).split()
    assert int(out[0]) == 202_000
    # As a list they hold 140 MiB.
    assert int(out[1]) < 40 << 10
