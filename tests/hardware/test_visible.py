"""CUDA_VISIBLE_DEVICES means what it means to CUDA."""

from __future__ import annotations

import pytest

from tunewright.hardware.visible import Countable, visible_gpus

UUIDS = ("GPU-aaaa1", "GPU-aaaa2", "GPU-bbbb3")
ALIKE = [Countable(uuid, "A100") for uuid in UUIDS]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (0, 1, 2)),
        ("0", (0,)),
        ("2,0", (2, 0)),
        (" 1 , 2 ", (1, 2)),
        ("1gpu,2", (1, 2)),
        ("0,-1,1", (0,)),
        ("0,7,1", (0,)),
        ("0,x,1", (0,)),
        ("", ()),
        ("-1", ()),
        ("1,1", ()),
        ("GPU-bbbb", (2,)),
        ("GPU-bbbb3,GPU-aaaa1", (2, 0)),
        ("GPU-aaaa", ()),
        ("GPU-bbbb,GPU-b", ()),
        ("GPU-bbbb,1", (2,)),
        ("MIG-1234", ()),
    ],
)
def test_entries_are_taken_as_cuda_takes_them(value: str | None, expected: tuple[int, ...]) -> None:
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert visible_gpus(ALIKE, environ).picks == tuple((index, None) for index in expected)


@pytest.mark.parametrize("value", ["", "-1", "0,7", "1,1", "GPU-zzzz", "MIG-1"])
def test_what_is_hidden_has_a_reason_and_a_cure(value: str) -> None:
    trouble = visible_gpus(ALIKE, {"CUDA_VISIBLE_DEVICES": value}).trouble
    assert trouble is not None
    assert "CUDA_VISIBLE_DEVICES" in trouble.what + trouble.cure


def test_unlike_gpus_may_be_counted_in_another_order_and_that_is_said() -> None:
    names = ("RTX 4090", "GTX 1080", "GTX 1080")
    unlike = [Countable(uuid, name) for uuid, name in zip(UUIDS, names, strict=True)]
    environ = {"CUDA_VISIBLE_DEVICES": "0"}
    trouble = visible_gpus(unlike, environ).trouble
    assert trouble is not None
    assert trouble.cure == "export CUDA_DEVICE_ORDER=PCI_BUS_ID"
    ordered = environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible_gpus(unlike, ordered).trouble is None
    assert visible_gpus(ALIKE, environ).trouble is None


def test_no_gpu_at_all_is_no_trouble() -> None:
    assert visible_gpus((), {"CUDA_VISIBLE_DEVICES": ""}).trouble is None


SPLIT = [
    Countable("GPU-aaaa1", "A100", split=True, slices=(("MIG-1", 1, 0), ("MIG-2", 2, 0))),
    Countable("GPU-bbbb2", "A100"),
]


@pytest.mark.parametrize(
    ("value", "picks"),
    [
        (None, ((0, 0), (0, 1), (1, None))),
        ("MIG-2", ((0, 1),)),
        ("MIG-GPU-aaaa1/2/0", ((0, 1),)),
        ("MIG-GPU-aaaa1/9/0", ()),
        ("MIG-", ()),
        # A whole GPU in MIG mode stands for its first slice, which is then all that is seen.
        ("GPU-aaaa1", ((0, 0),)),
        ("0,1", ((0, 0),)),
        ("1,0", ((0, 0),)),
        ("1", ((1, None),)),
    ],
)
def test_slices_are_named_by_uuid_and_seen_alone(
    value: str | None, picks: tuple[tuple[int, int | None], ...]
) -> None:
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert visible_gpus(SPLIT, environ).picks == picks
