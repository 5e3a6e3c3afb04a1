"""Machines that people sent in (`tunewright hardware --json`) load whole and can be planned on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tunewright.engine.devices.choose import choose_device
from tunewright.hardware.capability import abilities
from tunewright.hardware.whatif import imagine
from tunewright.tui.machine_text import device_lines, device_row, host_lines, matrix

BOXES = sorted(Path(__file__).with_name("boxes").glob("*.json"))


def test_there_are_boxes() -> None:
    assert BOXES


@pytest.mark.parametrize("file", BOXES, ids=lambda file: file.stem)
def test_a_box_loads_is_shown_and_a_device_is_chosen_on_it(file: Path) -> None:
    machine = imagine(str(file))
    assert machine.simulated
    assert msgspec.json.decode(msgspec.json.encode(machine), type=type(machine)) == machine
    choice = choose_device(machine)
    assert choice.decision.because
    assert choice.gpu is None or choice.gpu in machine.gpus
    for gpu in machine.gpus:
        assert set(gpu.can) <= set(abilities((99, 0)))
        assert all(device_lines(gpu))
        assert all(device_row(gpu).values()) or gpu.activity is None or gpu.activity.unknown
    assert all(host_lines(machine))
    assert matrix(machine, 100) == [] or len(machine.gpus) > 1
