"""A machine that is only named is planned on like one that is here."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import training_memory
from tunewright.hardware.snapshot import Snapshot
from tunewright.hardware.whatif import imagine

GIB = 1 << 30


def test_eight_of_a_part_are_eight_devices_and_never_one_sum() -> None:
    machine = imagine("8x H100 80GB")
    assert machine.simulated
    assert [gpu.index for gpu in machine.gpus] == list(range(8))
    assert len({gpu.uuid for gpu in machine.gpus}) == 8
    gpu = machine.gpus[0]
    assert gpu.name == "NVIDIA H100 80GB HBM3"
    assert gpu.free_bytes is not None
    assert 79 * GIB < gpu.free_bytes < 80 * GIB
    assert gpu.can["fp8"]
    assert gpu.nvlink is not None
    assert (gpu.nvlink.links, gpu.nvlink.active) == (18, 18)
    assert len(machine.pairs) == 28
    assert all(pair.nvlinks == 18 for pair in machine.pairs)
    device, free, because = training_memory(machine)
    assert (device, free) == ("cuda", gpu.free_bytes)
    assert "H100" in because


def test_unlike_parts_stand_side_by_side() -> None:
    machine = imagine("RTX 4090 + RTX 3090")
    assert [gpu.name for gpu in machine.gpus] == [
        "NVIDIA GeForce RTX 4090",
        "NVIDIA GeForce RTX 3090",
    ]
    # No bridge is assumed to have been bought, and how the board joins them is not known.
    (pair,) = machine.pairs
    assert (pair.nvlinks, pair.p2p, pair.path) == (0, None, None)


def test_a_slice_is_a_device_in_its_own_right() -> None:
    machine = imagine("A100 80GB mig 3g.40gb")
    (part,) = machine.gpus
    assert part.mig is not None
    assert (part.label, part.mig.profile, part.mig.multiprocessors) == ("0:0", "3g.40gb", 42)
    assert part.uuid is not None
    assert part.uuid.startswith("MIG-")
    assert part.mig.parent_uuid == machine.split[0].uuid
    assert part.free_bytes is not None
    assert 39 * GIB < part.free_bytes < 39.5 * GIB
    assert machine.split[0].free_bytes is None


def test_a_part_can_be_cut_into_several_slices() -> None:
    machine = imagine("A100 80GB mig 3g.40gb + 2x 1g.10gb+me, T4")
    assert [gpu.label for gpu in machine.gpus] == ["0:0", "0:1", "0:2", "1"]


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("A100 80GB mig 8x 1g.10gb", "fits 7 times"),
        ("A100 80GB mig 4g.40gb + 4g.40gb", "these take 8 and 8"),
        ("A100 80GB mig 5g.50gb", "1g.10gb, 1g.20gb"),
        ("A100 mig", "none named"),
        ("RTX 4090 mig 1g.10gb", "no MIG mode"),
        ("T4 + 3g.40gb", "no part to cut stands before it"),
        ("", "empty"),
        ("+", "empty"),
        ("T4 +", "no part between"),
        ("0x T4", "1 to 64"),
        ("999999999x T4", "1 to 64"),
        ("60x T4 + 60x T4", "at most 64"),
        ("T4 + 1.2.3GB RAM", "no number"),
        ("T4 + 0GB RAM", "at least 1 GB"),
        ("x" * 5000, "none is called nearly so"),
        ("\0", "none is called nearly so"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(spec: str, word: str) -> None:
    with pytest.raises(Problem) as caught:
        imagine(spec)
    assert word in str(caught.value)
    assert caught.value.cure


def test_the_host_is_assumed_and_says_so_or_is_what_was_said() -> None:
    assumed = imagine("2x RTX 3090").host
    assert assumed.ram_total_bytes == 2 * 2 * 24 * GIB
    assert "assumed" in assumed.unknown["ram_total_bytes"]
    said = imagine("2x RTX 3090 + 64GB RAM + 12 cores").host
    assert (said.ram_total_bytes, said.cores) == (64 * 10**9, 12)
    assert "ram_total_bytes" not in said.unknown


def test_a_machine_without_a_gpu_is_one_too() -> None:
    machine = imagine("64GB RAM")
    assert machine.gpus == ()
    assert training_memory(machine)[:2] == ("cpu", 64 * 10**9)
    assert imagine("cpu").gpus == ()


def test_a_part_that_shares_memory_has_that_of_the_host() -> None:
    machine = imagine("DGX Spark")
    (gpu,) = machine.gpus
    assert gpu.memory_note is not None
    assert machine.host.ram_total_bytes == gpu.total_bytes


def test_the_same_words_make_the_same_machine() -> None:
    assert imagine("8x H100 80GB") == imagine(" 8x  H100 80GB ")


def test_what_was_written_as_json_loads_back_as_a_machine_elsewhere(tmp_path: Path) -> None:
    machine = msgspec.structs.replace(imagine("2x L40S"), simulated=False)
    file = tmp_path / "box.json"
    file.write_bytes(msgspec.json.encode(machine))
    assert imagine(str(file)) == msgspec.structs.replace(machine, simulated=True)
    session = tmp_path / "session"
    session.write_bytes(msgspec.json.encode({"recorded": {"snapshot": machine}}))
    assert imagine(str(session)).gpus == machine.gpus


@pytest.mark.parametrize(
    ("text", "word"),
    [("{", "not JSON"), ("[]", "understands"), ('{"taken_at": "x"}', "understands")],
)
def test_a_file_that_is_no_machine_is_refused(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "box.json"
    file.write_text(text)
    with pytest.raises(Problem, match=word):
        imagine(str(file))
    with pytest.raises(Problem, match="cannot read"):
        imagine(str(tmp_path / "missing.json"))


def test_a_machine_says_all_of_itself_in_json() -> None:
    machine = imagine("A100 80GB mig 3g.40gb + RTX 4090")
    assert msgspec.json.decode(msgspec.json.encode(machine), type=Snapshot) == machine


def test_the_room_offers_what_a_program_needs() -> None:
    import tunewright.hardware as hardware

    assert hardware.imagine("T4") == imagine("T4")
    assert hardware.take_snapshot().host.cores >= 1
    assert set(hardware.__all__) == {"Watch", "imagine", "take_snapshot"}
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = hardware.nothing_like_it
