"""CUDA_VISIBLE_DEVICES means what it means to CUDA."""

from __future__ import annotations

import pytest

from tunewright.hardware.visible import visible_gpus

UUIDS = ("GPU-aaaa1", "GPU-aaaa2", "GPU-bbbb3")
ALIKE = ("A100", "A100", "A100")


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
    assert visible_gpus(UUIDS, ALIKE, environ).indices == expected


@pytest.mark.parametrize("value", ["", "-1", "0,7", "1,1", "GPU-zzzz", "MIG-1"])
def test_what_is_hidden_has_a_reason_and_a_cure(value: str) -> None:
    trouble = visible_gpus(UUIDS, ALIKE, {"CUDA_VISIBLE_DEVICES": value}).trouble
    assert trouble is not None
    assert "CUDA_VISIBLE_DEVICES" in trouble.what + trouble.cure


def test_unlike_gpus_may_be_counted_in_another_order_and_that_is_said() -> None:
    unlike = ("RTX 4090", "GTX 1080", "GTX 1080")
    environ = {"CUDA_VISIBLE_DEVICES": "0"}
    trouble = visible_gpus(UUIDS, unlike, environ).trouble
    assert trouble is not None
    assert trouble.cure == "export CUDA_DEVICE_ORDER=PCI_BUS_ID"
    ordered = environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible_gpus(UUIDS, unlike, ordered).trouble is None
    assert visible_gpus(UUIDS, ALIKE, environ).trouble is None


def test_no_gpu_at_all_is_no_trouble() -> None:
    assert visible_gpus((), (), {"CUDA_VISIBLE_DEVICES": ""}).trouble is None
