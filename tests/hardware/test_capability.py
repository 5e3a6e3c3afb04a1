"""What a compute capability gives, and since which one."""

from __future__ import annotations

import pytest

from tunewright.hardware.capability import abilities, architecture, because, shares_host_memory


@pytest.mark.parametrize(
    ("capability", "name", "has"),
    [
        ((7, 0), "V100", {"fp16"}),
        ((7, 5), "T4", {"fp16", "int8"}),
        ((8, 0), "A100", {"fp16", "int8", "bf16", "tf32", "flash-attention"}),
        ((8, 9), "RTX 4090", {"fp16", "int8", "bf16", "tf32", "flash-attention", "fp8"}),
        ((10, 0), "B200", {"fp16", "int8", "bf16", "tf32", "flash-attention", "fp8", "fp4"}),
    ],
)
def test_what_each_generation_can_do(capability: tuple[int, int], name: str, has: set[str]) -> None:
    assert {what for what, can in abilities(capability).items() if can} == has, name


def test_an_unknown_capability_promises_nothing() -> None:
    assert abilities(None) == {}
    assert architecture(None) is None
    assert architecture((99, 0)) is None


def test_the_reason_names_the_capability_it_follows_from() -> None:
    assert because("bf16", (7, 5)) == (
        "bfloat16 on tensor cores, from compute capability 8.0; this is 7.5"
    )
    assert "from compute capability 8.9" in because("fp8", (9, 0))


@pytest.mark.parametrize(
    ("capability", "generation"),
    [
        ((6, 1), "Pascal"), ((7, 0), "Volta"), ((7, 5), "Turing"), ((8, 6), "Ampere"),
        ((8, 9), "Ada"), ((9, 0), "Hopper"), ((10, 3), "Blackwell"), ((12, 0), "Blackwell"),
    ],
)  # fmt: skip
def test_the_generation_follows_from_the_capability(
    capability: tuple[int, int], generation: str
) -> None:
    assert architecture(capability) == generation


def test_only_parts_without_memory_of_their_own_share_the_hosts() -> None:
    assert shares_host_memory((12, 1))
    assert shares_host_memory((8, 7))
    assert not shares_host_memory((9, 0))
    assert not shares_host_memory((12, 0))
    assert not shares_host_memory(None)
