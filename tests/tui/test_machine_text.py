"""What the Machine pane and `tunewright hardware` say of a machine, and what the history keeps."""

from __future__ import annotations

import msgspec
from machines_shown import NONE, box

from tunewright.hardware.snapshot import GpuProcess, Snapshot, Trouble
from tunewright.hardware.whatif import imagine
from tunewright.tui.history import SAMPLES, History, spark
from tunewright.tui.machine_text import (
    device_lines,
    matrix,
    meter,
    process_rows,
    system_line,
    trouble_lines,
)


def test_a_meter_shows_what_is_there_at_all_and_says_when_nothing_is_known() -> None:
    assert meter(0.0, 4) == "····"
    assert meter(0.001, 4) == "█···"
    assert meter(1.0, 4) == "████"
    assert meter(7.0, 4) == "████"
    assert meter(None, 4) == "?   "


def test_a_spark_is_as_wide_as_asked_and_keeps_the_latest() -> None:
    assert spark([0.0, 0.001, 1.0], 5) == "   ▁█"
    assert spark([1.0] * 50 + [None], 3) == "██·"


def test_link_rates_are_differences_and_a_counter_that_starts_anew_gives_none() -> None:
    history = History()
    first, second = box("H100", 1), box("H100", 2)
    history.add(first)
    history.add(first)
    history.add(second)
    before, now = history.of(second.gpus[0])
    assert before.sent is None
    assert (now.sent, now.received) == (12e9, 3e9)
    again = msgspec.structs.replace(box("H100", 0), taken_at=1010.0)
    history.add(again)
    assert history.of(again.gpus[0])[-1].sent is None


def test_history_is_bounded_and_forgets_devices_that_are_gone() -> None:
    history = History()
    machine = box("2x H100")
    for step in range(SAMPLES + 50):
        history.add(msgspec.structs.replace(machine, taken_at=float(step)))
    assert len(history.of(machine.gpus[0])) == SAMPLES
    gone = msgspec.structs.replace(machine, taken_at=1e9, gpus=machine.gpus[1:])
    history.add(gone)
    assert history.of(machine.gpus[0]) == ()


def test_what_a_device_cannot_do_names_the_capability_that_it_takes() -> None:
    machine = imagine("RTX 3090")
    (can,) = [line for line in device_lines(machine.gpus[0]) if line.startswith("can")]
    assert "bf16" in can.partition("; no ")[0]
    assert "no fp8 (8.9), fp4 (10.0)" in can
    assert "capability 8.6" in can


def test_a_process_on_a_slice_is_listed_once() -> None:
    machine = imagine("A100 80GB mig 3g.40gb + 3g.40gb")
    running = (GpuProcess(7, 1 << 30, "ann", "python"),)
    other = (*running, GpuProcess(8, 2 << 30, "bob", "python"))
    first = msgspec.structs.replace(machine.gpus[0], processes=running)
    parent = msgspec.structs.replace(machine.split[0], processes=other)
    machine = msgspec.structs.replace(machine, gpus=(first, machine.gpus[1]), split=(parent,))
    assert [key for key, *_ in process_rows(machine)] == ["0:0:7", "0:8"]


def test_a_matrix_that_has_no_room_is_left_out() -> None:
    machine = box("16x V100")
    assert matrix(machine, 60) == []
    lines = matrix(machine, 80)
    assert len(lines) == 18
    assert all(len(line) <= 80 for line in lines)
    assert matrix(box("T4"), 80) == []


def test_text_of_other_people_is_made_plain() -> None:
    evil = "\x1b[31mroot\u202e"
    machine = box("T4")
    gpu = msgspec.structs.replace(
        machine.gpus[0],
        name=f"NVIDIA {evil}",
        processes=(GpuProcess(1, 9 << 30, evil, evil),),
        unknown={"x": evil},
    )
    machine = msgspec.structs.replace(
        machine, gpus=(gpu,), driver_version=evil, cuda_visible_devices=evil
    )
    told = [*device_lines(gpu), system_line(machine)]
    told += [cell for _, cells, _, _ in process_rows(machine) for cell in cells.values()]
    assert not [text for text in told if "\x1b" in text or "\u202e" in text]


def test_a_state_is_said_with_what_why_and_cure() -> None:
    lost = msgspec.structs.replace(
        NONE, gpu_trouble=None, gpu_troubles=(Trouble("a GPU is lost", "it left the bus", "reset"),)
    )
    assert list(trouble_lines(lost)) == [
        "! a GPU is lost",
        "  why:  it left the bus",
        "  cure: reset",
    ]
    assert list(trouble_lines(Snapshot(0.0, NONE.host))) == []


def test_no_gpu_at_all_is_no_trouble_but_one_line() -> None:
    (line,) = trouble_lines(NONE)
    assert line.startswith("no GPU ")
