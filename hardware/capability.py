"""What a GPU can do, by its compute capability: pure functions, no machine is read.

Sources: "Compute Capabilities" in NVIDIA's CUDA C++ Programming Guide (arithmetic and the types of
the tensor cores), and the README of flash-attention (version 2 needs Ampere or newer).
"""

from __future__ import annotations

Capability = tuple[int, int]

# name -> (the first capability that has it, what it has since then)
_SINCE: dict[str, tuple[Capability, str]] = {
    "fp16": ((5, 3), "half-precision arithmetic; on tensor cores since 7.0"),
    "int8": ((7, 2), "8-bit integers on tensor cores"),
    "bf16": ((8, 0), "bfloat16 on tensor cores"),
    "tf32": ((8, 0), "TensorFloat-32 on tensor cores"),
    "flash-attention": ((8, 0), "version 2 of its kernels is written for Ampere and newer"),
    "fp8": ((8, 9), "8-bit floats on tensor cores"),
    "fp4": ((10, 0), "4-bit floats on tensor cores"),
}

# The first capability of each generation; a part belongs to the last one not above its own.
_GENERATIONS: tuple[tuple[Capability, str], ...] = (
    ((3, 0), "Kepler"),
    ((5, 0), "Maxwell"),
    ((6, 0), "Pascal"),
    ((7, 0), "Volta"),
    ((7, 5), "Turing"),
    ((8, 0), "Ampere"),
    ((8, 9), "Ada"),
    ((9, 0), "Hopper"),
    ((10, 0), "Blackwell"),
)
_LAST_KNOWN_MAJOR = 12

# Parts that have no memory of their own and share the host's: Tegra X1, X2, Xavier, Orin, Thor
# (10.1 before CUDA 13 and 11.0 since), GB10. Source: "CUDA GPU Compute Capability" on
# developer.nvidia.com and NVIDIA's data sheets of these modules.
_UNIFIED: frozenset[Capability] = frozenset(
    {(5, 3), (6, 2), (7, 2), (8, 7), (10, 1), (11, 0), (12, 1)}
)


def abilities(capability: Capability | None) -> dict[str, bool]:
    """Whether it has fp16, int8, bf16, tf32, flash-attention, fp8, fp4; {} for an unknown one."""
    if capability is None:
        return {}
    # GeForce 16 is 7.5 like GeForce 20 and lacks tensor cores; the capability does not tell.
    return {name: capability >= since for name, (since, _) in _SINCE.items()}


def because(ability: str, capability: Capability) -> str:
    """The reason for `abilities(capability)[ability]`; KeyError for a name it does not have."""
    since, what = _SINCE[ability]
    return f"{what}, from compute capability {_dotted(since)}; this is {_dotted(capability)}"


def needs(ability: str) -> str | None:
    """The first compute capability that has it, "8.9"; None for a name that is not known here."""
    return _dotted(_SINCE[ability][0]) if ability in _SINCE else None


def _dotted(capability: Capability) -> str:
    return f"{capability[0]}.{capability[1]}"


def architecture(capability: Capability | None) -> str | None:
    """The generation's name, "Ampere"; None for an unknown or newer capability."""
    if capability is None or capability[0] > _LAST_KNOWN_MAJOR:
        return None
    return next((name for since, name in reversed(_GENERATIONS) if capability >= since), None)


def shares_host_memory(capability: Capability | None) -> bool:
    """Whether parts of this capability have no memory of their own."""
    return capability in _UNIFIED
