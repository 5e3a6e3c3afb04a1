"""Once a second, only what changes is read, and joined to what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from stub_nvml.machines import MIB, h100_box, h100_mig

from tunewright.hardware.live import Live, with_live
from tunewright.hardware.snapshot import Snapshot

Read = Callable[..., dict[str, Any]]

LIVE = (
    "import msgspec, sys; from tunewright.hardware.take import take_snapshot;"
    "from tunewright.hardware.live import LiveReader, with_live;"
    "reader = LiveReader(); snapshot = take_snapshot(); {between};"
    "live = reader.read(seconds={seconds}); {after};"
    "sys.stdout.write(msgspec.json.encode("
    "{{'snapshot': snapshot, 'live': live, 'now': with_live(snapshot, live)}}).decode())"
)


def read(read_stub: Read, machine: str, *, between: str = "0", after: str = "0") -> dict[str, Any]:
    return read_stub(machine, code=LIVE.format(between=between, after=after, seconds=20))


def test_a_reading_renews_the_snapshot(read_stub: Read) -> None:
    found = read(read_stub, h100_box(2, busy=1))
    live = msgspec.convert(found["live"], Live)
    assert [gpu.index for gpu in live.gpus] == [0, 1]
    assert live.gpus[0].activity is not None
    assert live.gpus[0].activity.temperature_c == 41
    assert live.gpus[1].used_bytes == 60 << 30
    (process,) = live.gpus[1].processes
    assert process.command == Path("/proc/1/comm").read_text().strip()
    assert live.gpu_silent is None
    now = msgspec.convert(found["now"], Snapshot)
    before = msgspec.convert(found["snapshot"], Snapshot)
    assert now.taken_at == live.taken_at
    assert [gpu.board for gpu in now.gpus] == [gpu.board for gpu in before.gpus]
    assert [gpu.activity for gpu in now.gpus] == [gpu.activity for gpu in live.gpus]


def test_slices_are_renewed_with_their_own_memory(read_stub: Read) -> None:
    found = read(read_stub, h100_mig())
    now = msgspec.convert(found["now"], Snapshot)
    assert [gpu.free_bytes for gpu in now.gpus[:2]] == [40000 * MIB] * 2
    assert now.split[0].activity is not None


def test_nvml_stays_started_between_readings(read_stub: Read, tmp_path: Path) -> None:
    read(read_stub, h100_box(2), after="[reader.read() for _ in range(3)]; reader.close()")
    # One pair for the snapshot, one for all four readings.
    assert (tmp_path / "calls").read_text().split() == ["init", "shutdown", "init", "shutdown"]


def test_a_gpu_that_falls_silent_is_shown_without_figures(read_stub: Read) -> None:
    # The second start of the library reads the scenario anew: by then GPU 1 is gone.
    machine = h100_box(2)
    lost = machine + "fail nvmlDeviceGetPowerUsage 15\n"
    between = f"import os; open(os.environ['STUB_NVML'], 'w').write({lost!r})"
    now = msgspec.convert(read(read_stub, machine, between=between)["now"], Snapshot)
    assert now.gpus[0].free_bytes is not None
    gone = now.gpus[1]
    assert gone.name == "NVIDIA H100 80GB HBM3"
    assert gone.free_bytes is None
    assert gone.activity is None
    assert gone.unknown["free_bytes"] == "NVML says: GPU is lost"


def test_a_gpu_that_hangs_is_said_to_hang_at_once_the_second_time(read_stub: Read) -> None:
    machine = h100_box(2)
    stuck = machine + "hang nvmlDeviceGetFanSpeed\n"
    between = f"import os; open(os.environ['STUB_NVML'], 'w').write({stuck!r})"
    code = LIVE.format(
        between=between,
        seconds=1,
        after="began = __import__('time').monotonic(); live = reader.read(seconds=60);"
        "assert __import__('time').monotonic() - began < 30",
    )
    now = msgspec.convert(read_stub(machine, code=code)["now"], Snapshot)
    assert now.gpus[0].activity is not None
    assert "nvmlDeviceGetFanSpeed hangs" in now.gpus[1].unknown["activity"]


def test_a_machine_without_a_driver_is_read_too(read_stub: Read) -> None:
    live = msgspec.convert(read(read_stub, "init 9\n\n")["live"], Live)
    assert live.ram_available_bytes
    assert live.gpus == ()
    assert live.gpu_silent == "NVML says: Driver Not Loaded"


def test_an_invented_machine_stays_as_it_is(read_stub: Read) -> None:
    found = read(read_stub, h100_box(1))
    invented = msgspec.structs.replace(msgspec.convert(found["snapshot"], Snapshot), simulated=True)
    assert with_live(invented, msgspec.convert(found["live"], Live)) == invented
