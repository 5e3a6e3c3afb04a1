"""The catalogue of NVIDIA parts (`gpus.toml`): what each has, and which one a name means.

Reads the one file that ships with it and nothing of the machine, so it works on any laptop.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tunewright.hardware.capability import Capability
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Gpu

_MIB = 1 << 20
_GIB = 1 << 30
_FILE = Path(__file__).with_name("gpus.toml")
# What the operating system of a part that shares the host's memory keeps for itself.
_SYSTEM_BYTES = 2 << 30


class MigProfile(msgspec.Struct, frozen=True):
    """A slice that a part can be cut into. `most` of it fit on one GPU; it takes `memory_slices` of
    the part's `MigLayout.memory_slices` and `compute_slices` of its compute slices."""

    name: str
    memory_bytes: int
    multiprocessors: int
    most: int
    compute_slices: int
    memory_slices: int


class Part(msgspec.Struct, frozen=True):
    """One NVIDIA part.

    `memory_bytes` is what programs can use on an idle device, `total_bytes` what NVML reports as
    the total. Rates are dense, flop/s on tensor cores with 32-bit accumulation; None where the part
    has no such arithmetic. `bandwidth` is byte/s of its memory; `nvlink` byte/s over all links,
    both directions, and `switched` whether all GPUs of a box are joined that way (a bridge between
    two cards is an option that has to be bought). `unified`: its memory is the host's. `source`
    names where the rates are published, `page` is the address of a page that has the rest, and
    `but` what that page has otherwise, or what no page was found for ("" for neither). `words` are
    what its names consist of.
    """

    name: str
    nvml_name: str
    memory_bytes: int
    total_bytes: int
    bandwidth: float
    bf16_flops: float | None
    fp16_flops: float
    fp8_flops: float | None
    capability: Capability
    nvlink: float | None
    switched: bool
    watts: float
    source: str
    page: str
    but: str
    unified: bool
    mig: tuple[MigProfile, ...]
    mig_memory_slices: int
    words: frozenset[str]


def reserve(total_bytes: int) -> int:
    """What the driver keeps of a device, where no figure is known: 400 MiB and 0.35 %.

    Fitted from above to CUDA's reported capacity of an RTX 3060 (11.63 of 12 GiB), T4, L40S, RTX
    4090 and 5090, H100, H200 (139.7 of 140.4 GiB) and B200; the A100 80GB alone keeps 0.1 GiB more.
    """
    return 400 * _MIB + total_bytes * 35 // 10_000


@cache
def catalogue() -> tuple[Part, ...]:
    """All parts, in the order of the file."""
    import tomllib

    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    layouts = {name: _layout(layout) for name, layout in table["mig"].items()}
    return tuple(_part(row, table, layouts) for group in table["parts"].values() for row in group)


def _layout(layout: dict[str, Any]) -> tuple[int, tuple[MigProfile, ...]]:
    return layout["of"], tuple(
        MigProfile(name, int(gib * _GIB), sms, most, int(name.partition("g")[0]), memory_slices)
        for name, (gib, sms, most, memory_slices) in layout["profiles"].items()
    )


def _part(
    row: dict[str, Any],
    table: dict[str, Any],
    layouts: dict[str, tuple[int, tuple[MigProfile, ...]]],
) -> Part:
    total = row["mib"] * _MIB
    unified = row.get("unified", False)
    if "usable" in row:
        usable = int(row["usable"] * _GIB)
    else:
        usable = total - (_SYSTEM_BYTES if unified else reserve(total))
    bf16, fp8 = row.get("bf16"), row.get("fp8")
    major, minor = row["cc"].split(".")
    of, profiles = layouts[row["mig"]] if "mig" in row else (0, ())
    return Part(
        name=row["name"],
        nvml_name=_nvml_name(row["nvml"]),
        memory_bytes=usable,
        total_bytes=total,
        bandwidth=row["gbs"] * 1e9,
        bf16_flops=None if bf16 is None else bf16 * 1e12,
        fp16_flops=(row["fp16"] if bf16 is None else bf16) * 1e12,
        fp8_flops=None if fp8 is None else fp8 * 1e12,
        capability=(int(major), int(minor)),
        nvlink=row["nvlink"] * 1e9 if "nvlink" in row else None,
        switched=row.get("switch", False),
        watts=float(row["watts"]),
        source=table["sources"][row["from"]],
        page=row["page"] if row["page"].startswith("https://") else table["pages"] + row["page"],
        but=row.get("but", ""),
        unified=unified,
        mig=profiles,
        mig_memory_slices=of,
        words=_words(row["name"]) | _words(row["nvml"]),
    )


def _nvml_name(name: str) -> str:
    """The driver gives older lines without the maker's name."""
    return name if name.startswith(("Tesla", "Quadro")) else f"NVIDIA {name}"


# Words of names that tell no two parts apart.
_NOISE = frozenset(
    "nvidia geforce tesla gpu card graphics edition generation tensor core hbm2 hbm2e hbm3 hbm3e "
    "blackwell ampere hopper dgx hgx developer kit".split()
)
_SAME = {"sxm2": "sxm", "sxm4": "sxm", "sxm5": "sxm", "sxm6": "sxm", "maxq": "max", "mobile":
         "laptop", "notebook": "laptop", "workstations": "workstation"}  # fmt: skip


# Every look at a device asks this of every part.
@lru_cache(maxsize=1024)
def _words(name: str) -> frozenset[str]:
    """What tells parts apart in a name: "NVIDIA A100-SXM4-80GB" -> a100, sxm, 80gb."""
    text = name.casefold().replace("geforce", " ").replace("nvidia", " ")
    # 80 GB, 80G, 80gib; RTX4090, 4060ti, 4070s: as people type them.
    text = re.sub(r"\b(\d+)[\s-]*g(?:i?b)?\b", r"\1gb", text)
    text = re.sub(r"\b(rtx|gtx|titan|quadro)(?=\w)", r"\1 ", text)
    text = re.sub(r"\b(\d{4})[\s-]*(ti|super|d)\b", r"\1 \2 ", text)
    words = (_SAME.get(word, word) for word in re.findall(r"[a-z0-9.]+", text))
    return frozenset(word for word in words if word not in _NOISE)


def _is_size(word: str) -> bool:
    return re.fullmatch(r"\d+gb", word) is not None


def find_part(name: str) -> Part:
    """The part that people mean by `name`; where it fits several, the nearest to it and of those
    the first of the catalogue. A `Problem` with the nearest names for one that is in none."""
    asked = _words(name)
    hits = [part for part in catalogue() if asked and asked <= part.words]
    if not hits:
        raise _unknown(name, asked)

    def unsaid(part: Part) -> int:
        """How many words of the part's own name were left out, its size not counted."""
        return sum(1 for word in _words(part.name) - asked if not _is_size(word))

    return min(hits, key=unsaid)


def _unknown(name: str, asked: frozenset[str]) -> Problem:
    sizes = {word for word in asked if _is_size(word)}
    if sizes:
        others = [part for part in catalogue() if asked - sizes and asked - sizes <= part.words]
        if others:
            return Problem(
                f"there is no {name.strip()}",
                why=f"it is made as {', '.join(part.name for part in others[:4])}",
                cure=f'--hardware "{others[0].name}"',
            )

    names = nearest(name)
    if not names:
        return Problem(
            f"{name.strip()!r} is no part of the catalogue",
            why=f"it has {len(catalogue())} parts of NVIDIA, and none is called nearly so",
            cure="tunewright hardware --list shows all; e.g. --hardware 'RTX 4090'",
        )
    return Problem(
        f"{name.strip()!r} is no NVIDIA part of the catalogue",
        why=f"the nearest: {', '.join(names)}",
        cure=f'--hardware "{names[0]}"',
    )


def nearest(name: str) -> list[str]:
    """Up to three parts whose names are spelled nearly so, the nearest first."""
    import difflib

    # Of each part the name with and without its size: "RTX 4095" is near "RTX 4090".
    spelled: dict[str, Part] = {}
    for part in catalogue():
        whole = part.name.casefold()
        spelled.setdefault(re.sub(r"\s*\d+gb$", "", whole), part)
        spelled.setdefault(whole, part)
    wanted = " ".join(name.casefold().replace("nvidia", "").replace("geforce", "").split())
    near = difflib.get_close_matches(wanted, spelled, n=6, cutoff=0.6)
    return list(dict.fromkeys(spelled[match].name for match in near))[:3]


def parts_begun(name: str) -> list[Part]:
    """The parts in whose names each word of `name` begins a word, in the order of the file."""
    begun = _words(name)
    return [
        part
        for part in catalogue()
        if all(any(word.startswith(start) for word in part.words) for start in begun)
    ]


def part_of(gpu: Gpu) -> Part | None:
    """The part that a device is, by its name and memory; None for one that is not in the catalogue.

    Of a MIG slice: the part that it is cut from.
    """
    name = re.sub(r"\s+MIG\s+\S+$", "", gpu.name)
    words = _words(name)
    hits = [part for part in catalogue() if _words(part.nvml_name) == words]
    if gpu.mig is not None or gpu.total_bytes is None:
        return hits[0] if hits else None
    total = gpu.total_bytes
    near = [part for part in hits if abs(part.total_bytes - total) < 0.15 * part.total_bytes]
    return min(near, key=lambda part: abs(part.total_bytes - total), default=None)
