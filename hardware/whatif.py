"""Machines that are not here: `imagine("8x H100 80GB")`, or one that was read elsewhere.

What comes out is an ordinary `Snapshot` with `simulated` set, so everything that plans on a machine
plans on this one. Nothing of the machine at hand goes into it.

    MACHINE  = FILE.json | ITEM { ("+" | ",") ITEM }
    ITEM     = [N "x"] PART ["mig" PROFILE]     8x H100 80GB, A100 80GB mig 3g.40gb
             | [N "x"] PROFILE                  one more slice of the part before
             | SIZE "RAM" | N "cores"           the host; assumed where it is not said
             | "cpu"                            no GPU
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from tunewright.hardware.capability import abilities, architecture
from tunewright.hardware.catalogue import MigProfile, Part, catalogue, find_part, part_of
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Gpu, Host, MigSlice, NvLink, Pair, Snapshot

__all__ = ["MigProfile", "Part", "catalogue", "find_part", "imagine", "load_snapshot", "part_of"]

_GIB = 1 << 30
_MOST_DEVICES = 64
_PROFILE = r"\d+g\.\d+gb(?:\+me|\+gfx)?"
_SIZES = {"gb": 10**9, "tb": 10**12, "gib": 1 << 30, "tib": 1 << 40}
# An assumption of the host around invented GPUs, said in `Host.unknown`: boxes are sold with about
# twice their GPUs' memory, and with 8 to 16 cores a GPU.
_RAM_PER_GPU_BYTE = 2
_CORES_PER_GPU = 8
_LEAST_RAM = 16 * 10**9


class _Asked(msgspec.Struct):
    """One kind of device of a machine: `count` GPUs of `part`, each cut into `profiles`."""

    count: int
    part: Part
    profiles: list[MigProfile]


def imagine(spec: str) -> Snapshot:
    """The machine that `spec` describes, idle; see the module. A `Problem` for one that cannot be,
    with the nearest name for an unknown part."""
    if spec.strip().endswith(".json") or _is_file(spec):
        return load_snapshot(Path(spec.strip()).expanduser())
    asked: list[_Asked] = []
    ram: int | None = None
    cores: int | None = None
    no_gpu = False
    for item in re.split(r"\s*(?:,|\+(?!me\b|gfx\b))\s*", spec.strip()):
        size = re.fullmatch(r"([\d.]+)\s*([gt]i?b)\s*(?:of\s+)?(?:ram|memory)", item, re.I)
        number = re.fullmatch(r"(\d+)\s*cores?", item, re.I)
        if size is not None:
            ram = _amount(size[1], size[2], item)
        elif number is not None:
            cores = max(1, int(number[1][:4]))
        elif item.casefold() in ("cpu", "no gpu"):
            no_gpu = True
        else:
            _add(asked, item, spec)
    if not asked and not no_gpu and ram is None:
        raise _not_understood(spec, "it names no part")
    if sum(kind.count for kind in asked) > _MOST_DEVICES:
        raise _not_understood(spec, f"one machine has at most {_MOST_DEVICES} GPUs here")
    return _machine(" ".join(spec.split()), asked, ram, cores)


def _is_file(spec: str) -> bool:
    try:
        return Path(spec.strip()).expanduser().is_file()
    except (OSError, RuntimeError):
        # Too long for a file's name, or a `~` of nobody: then it is none.
        return False


def _not_understood(spec: str, why: str) -> Problem:
    return Problem(
        f"--hardware {spec!r} describes no machine",
        why=why,
        cure="--hardware '8x H100 80GB', 'RTX 4090 + RTX 3090', 'A100 80GB mig 3g.40gb', or a file "
        "that tunewright hardware --json wrote",
    )


def _amount(number: str, unit: str, item: str) -> int:
    try:
        amount = float(number) * _SIZES[unit.casefold()]
    except ValueError as error:
        raise _not_understood(item, f"{number!r} is no number") from error
    if not 10**9 <= amount < 10**15:
        raise _not_understood(item, "a host has at least 1 GB of memory, and less than 1000 TB")
    return int(amount)


def _add(asked: list[_Asked], item: str, spec: str) -> None:
    """Add what one item of the list says to what was `asked` for so far."""
    count, name = _counted(item)
    if not name:
        raise _not_understood(
            spec, "it names no part between two signs" if asked else "it is empty"
        )
    if re.fullmatch(_PROFILE, name, re.I):
        if not asked or not asked[-1].profiles:
            raise _not_understood(spec, f"{name} is a slice, and no part to cut stands before it")
        asked[-1].profiles += [_profile(asked[-1].part, name)] * count
        _check_cut(asked[-1])
        return
    whole, mig, profile = re.fullmatch(r"(.*?)(?:\s+(mig)\b\s*(.*))?", name, re.I | re.S).groups()  # type: ignore[union-attr]
    part = find_part(whole)
    kind = _Asked(count, part, [])
    if mig:
        times, profile_name = _counted(profile)
        kind.profiles = [_profile(part, profile_name)] * times
        _check_cut(kind)
    asked.append(kind)


def _counted(item: str) -> tuple[int, str]:
    """How many, and of what: "8x H100", "8 × H100", "H100 x8"."""
    before = re.fullmatch(r"(\d+)\s*[x×*]\s*(.+)", item, re.I)
    after = re.fullmatch(r"(.+?)\s+[x×*]\s*(\d+)", item, re.I)
    count, name = (
        (before[1], before[2]) if before else (after[2], after[1]) if after else ("1", item)
    )
    number = int(count[:6])
    if number < 1 or number > _MOST_DEVICES:
        raise _not_understood(item, f"there can be 1 to {_MOST_DEVICES} of a part")
    return number, name.strip()


def _profile(part: Part, name: str) -> MigProfile:
    plain = re.sub(r"\+(me|gfx)$", "", name.casefold())
    found = next((profile for profile in part.mig if profile.name == plain), None)
    if found is not None:
        return found
    if not part.mig:
        raise Problem(
            f"the {part.name} cannot be cut into slices",
            why="it has no MIG mode, or its slices are not in the catalogue",
            cure=f'--hardware "{part.name}"',
        )
    names = [profile.name for profile in part.mig]
    raise Problem(
        f"the {part.name} has no slice {name or '(none named)'!r}",
        why=f"its slices: {', '.join(names)}",
        cure=f'--hardware "{part.name} mig {names[len(names) // 2]}"',
    )


def _check_cut(kind: _Asked) -> None:
    """Refuse slices that do not fit on one GPU together."""
    part = kind.part
    memory = sum(profile.memory_slices for profile in kind.profiles)
    compute = sum(profile.compute_slices for profile in kind.profiles)
    most_compute = max(profile.compute_slices for profile in part.mig)
    over = [p for p in kind.profiles if kind.profiles.count(p) > p.most]
    if memory > part.mig_memory_slices or compute > most_compute or over:
        names = ", ".join(profile.name for profile in kind.profiles)
        raise Problem(
            f"the {part.name} cannot be cut into {names}",
            why=f"it has {most_compute} compute and {part.mig_memory_slices} memory slices, and "
            f"these take {compute} and {memory}"
            + (f"; {over[0].name} fits {over[0].most} times" if over else ""),
            cure=f'--hardware "{part.name} mig {part.mig[0].name}"',
        )


# -- the machine


def _machine(spec: str, asked: list[_Asked], ram: int | None, cores: int | None) -> Snapshot:
    parts = [(kind.part, kind.profiles) for kind in asked for _ in range(kind.count)]
    wholes = [_gpu(index, part, cut=bool(cut)) for index, (part, cut) in enumerate(parts)]
    devices: list[Gpu] = []
    for gpu, (part, cut) in zip(wholes, parts, strict=True):
        devices += [_slice(gpu, part, n, profile) for n, profile in enumerate(cut)] or [gpu]
    return Snapshot(
        taken_at=0.0,
        host=_host(spec, [part for part, _ in parts], ram, cores),
        gpus=tuple(devices),
        simulated=True,
        split=tuple(gpu for gpu, (_, cut) in zip(wholes, parts, strict=True) if cut),
        pairs=_pairs([part for part, _ in parts]),
    )


def _gpu(index: int, part: Part, *, cut: bool) -> Gpu:
    free = None if cut else part.memory_bytes
    return Gpu(
        index=index,
        uuid=f"GPU-00000000-0000-0000-0000-{index:012d}",
        name=part.nvml_name,
        total_bytes=part.total_bytes,
        free_bytes=free,
        used_bytes=None if cut else 0,
        compute_capability=part.capability,
        architecture=architecture(part.capability),
        can=abilities(part.capability),
        unknown={"free_bytes": "in MIG mode only slices have memory"} if cut else {},
        reserved_bytes=part.total_bytes - part.memory_bytes,
        memory_note="host memory, which this part shares" if part.unified else None,
        nvlink=_nvlink(part),
    )


def _nvlink(part: Part) -> NvLink | None:
    if part.nvlink is None:
        return None
    one_way = _LINK_BYTES.get(part.capability[0], 25 * 10**9)
    links = round(part.nvlink / 2 / one_way)
    active = links if part.switched else 0
    return NvLink(links, active, link_bytes_per_second=one_way)


# One link in one direction: NVLink 2 and 3 (25 GB/s), 4 (25), 5 (50). Source: NVIDIA NVLink page.
_LINK_BYTES = {7: 25 * 10**9, 8: 25 * 10**9, 9: 25 * 10**9, 10: 50 * 10**9}


def _slice(gpu: Gpu, part: Part, number: int, profile: MigProfile) -> Gpu:
    return msgspec.structs.replace(
        gpu,
        uuid=f"MIG-00000000-0000-0000-{gpu.index:04d}-{number:012d}",
        name=f"{part.nvml_name} MIG {profile.name}",
        total_bytes=profile.memory_bytes,
        free_bytes=profile.memory_bytes - _SLICE_RESERVE,
        used_bytes=0,
        reserved_bytes=_SLICE_RESERVE,
        unknown={},
        nvlink=None,
        mig=MigSlice(
            number,
            gpu.uuid,
            profile.name,
            gpu_instance=number + 1,
            compute_instance=0,
            multiprocessors=profile.multiprocessors,
        ),
    )


# An idle slice shows some tens of MiB as used (nvidia-smi listings of the MIG User Guide).
_SLICE_RESERVE = 64 << 20


def _pairs(parts: list[Part]) -> tuple[Pair, ...]:
    """NVLink between GPUs of the same switched part; how others are joined is not known."""
    pairs = []
    for a, first in enumerate(parts):
        for b in range(a + 1, len(parts)):
            joined = first.switched and parts[b].name == first.name
            link = _nvlink(first)
            pairs.append(
                Pair(a, b, nvlinks=link.links if joined and link else 0, p2p=joined or None)
            )
    return tuple(pairs)


def _host(spec: str, parts: list[Part], ram: int | None, cores: int | None) -> Host:
    unknown = {"cpu_model": "the host is invented with the GPUs", "disks": "invented machine"}
    if cores is None:
        cores = _CORES_PER_GPU * max(1, len(parts))
        unknown["cores"] = f"assumed: {_CORES_PER_GPU} a GPU; say e.g. '+ 64 cores'"
    shared = next((part for part in parts if part.unified), None)
    if shared is not None:
        total, available = shared.total_bytes, shared.memory_bytes
    elif ram is not None:
        total = available = ram
    else:
        total = max(_LEAST_RAM, _RAM_PER_GPU_BYTE * sum(part.total_bytes for part in parts))
        available = total
        unknown["ram_total_bytes"] = "assumed: twice the memory of the GPUs; say e.g. '+ 512GB RAM'"
    return Host(
        hostname=spec,
        cpu_model="invented",
        cores=cores,
        cpu_features=(),
        ram_total_bytes=total,
        ram_available_bytes=available,
        unknown=unknown,
    )


# -- a machine that was read elsewhere


def load_snapshot(path: Path) -> Snapshot:
    """The machine in a file that `tunewright hardware --json` wrote, or that a session.json was
    planned on; marked as simulated. A `Problem` that names the place where the file is wrong."""
    try:
        raw: Any = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise Problem(
            f"cannot read the machine {path}",
            why=str(error.strerror or error),
            cure="tunewright hardware --json > machine.json, on the machine that is meant",
        ) from error
    except msgspec.DecodeError as error:
        raise Problem(
            f"{path} is not JSON",
            why=str(error),
            cure="write it anew: tunewright hardware --json > machine.json",
        ) from error
    if isinstance(raw, dict) and isinstance(raw.get("recorded"), dict):
        raw = raw["recorded"].get("snapshot")
    try:
        snapshot = msgspec.convert(raw, Snapshot)
    except msgspec.ValidationError as error:
        raise Problem(
            f"{path} is not a machine that this version understands",
            why=str(error),
            cure="write it anew with this version: tunewright hardware --json > machine.json",
        ) from error
    return msgspec.structs.replace(snapshot, simulated=True)
