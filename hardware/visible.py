"""Which devices CUDA_VISIBLE_DEVICES leaves to this process, by the rules of the CUDA runtime.

Rules of the CUDA Programming Guide ("CUDA Environment Variables") and, for slices, of the MIG User
Guide ("CUDA Device Enumeration"): a comma list of ordinals or of unambiguous UUID prefixes; the
first entry that names no device hides itself and all that follow; an entry given twice hides
everything; a process sees one MIG slice only, and no whole GPU beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tunewright.hardware.snapshot import Trouble

# An NVML index, and the place among its slices for a MIG slice.
Pick = tuple[int, int | None]


class Countable(msgspec.Struct, frozen=True):
    """A GPU as far as naming it needs (None: NVML would not say). In MIG mode (`split`) only its
    `slices` can be used: (UUID, GPU instance, compute instance) each."""

    uuid: str | None
    name: str | None
    split: bool = False
    slices: tuple[tuple[str | None, int | None, int | None], ...] = ()


class Visible(msgspec.Struct, frozen=True):
    """Devices in the order in which CUDA counts them, and what was not understood."""

    picks: tuple[Pick, ...]
    trouble: Trouble | None = None


def visible_gpus(gpus: Sequence[Countable], environ: Mapping[str, str]) -> Visible:
    """Apply CUDA_VISIBLE_DEVICES to GPUs listed by NVML index.

    Without it every device is listed, slices and whole GPUs alike: a run is given one of them by
    UUID. NVML counts in PCI bus order, CUDA only under CUDA_DEVICE_ORDER=PCI_BUS_ID; where unlike
    GPUs make the two orders differ, that is said.
    """
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return Visible(tuple(pick for index in range(len(gpus)) for pick in _devices(gpus, index)))
    entries = [entry.strip() for entry in value.split(",")]
    by_uuid = entries[0].startswith(("GPU-", "MIG-"))
    picked: list[Pick] = []
    stopped_at: str | None = None
    for entry in entries:
        pick = _by_uuid(entry, gpus) if by_uuid else _by_ordinal(entry, gpus)
        if pick is None:
            stopped_at = entry
            break
        if pick in picked:
            return Visible((), _twice(value, entry))
        picked.append(pick)
    if len(picked) > 1 and any(part is not None for _, part in picked):
        only = next(pick for pick in picked if pick[1] is not None)
        return Visible((only,), _one_slice(value))
    return Visible(tuple(picked), _trouble(value, gpus, picked, stopped_at, by_uuid, environ))


def _devices(gpus: Sequence[Countable], index: int) -> list[Pick]:
    if not gpus[index].split:
        return [(index, None)]
    return [(index, part) for part in range(len(gpus[index].slices))]


def _trouble(
    value: str,
    gpus: Sequence[Countable],
    picked: list[Pick],
    stopped_at: str | None,
    by_uuid: bool,
    environ: Mapping[str, str],
) -> Trouble | None:
    if gpus and not picked and stopped_at in ("", "-1"):
        return Trouble(
            what=f"CUDA_VISIBLE_DEVICES hides all {len(gpus)} GPU(s) of this machine",
            why=f"it is set to {value!r}",
            cure="unset CUDA_VISIBLE_DEVICES, or name the GPUs to use",
        )
    if stopped_at is not None and stopped_at not in ("", "-1"):
        return Trouble(
            what=f"CUDA_VISIBLE_DEVICES names {stopped_at}, which is not a GPU here",
            why=f"CUDA stops at the first name that it does not know; {len(gpus)} GPU(s) are here",
            cure="correct CUDA_VISIBLE_DEVICES (nvidia-smi -L lists indices and UUIDs)",
        )
    if picked and not by_uuid and _order_is_open(gpus, environ):
        return Trouble(
            what="CUDA may count these GPUs in another order than shown",
            why="the GPUs differ, and CUDA sorts the fastest first unless CUDA_DEVICE_ORDER is set",
            cure="export CUDA_DEVICE_ORDER=PCI_BUS_ID",
        )
    return None


def _twice(value: str, entry: str) -> Trouble:
    return Trouble(
        what=f"CUDA_VISIBLE_DEVICES={value} names GPU {entry} twice",
        why="CUDA hides every GPU when one is named twice",
        cure="name each GPU once in CUDA_VISIBLE_DEVICES",
    )


def _one_slice(value: str) -> Trouble:
    return Trouble(
        what=f"CUDA_VISIBLE_DEVICES={value} names more than CUDA will show",
        why="a process sees one MIG slice only, and no whole GPU beside it",
        cure="name one MIG slice by its UUID (nvidia-smi -L)",
    )


def _by_ordinal(entry: str, gpus: Sequence[Countable]) -> Pick | None:
    # CUDA reads leading digits as strtoul does: "1gpu" is 1.
    match = re.match(r"\+?(\d{1,9})", entry, re.ASCII)
    index = int(match[1]) if match else -1
    return _first_of(gpus, index) if 0 <= index < len(gpus) else None


def _first_of(gpus: Sequence[Countable], index: int) -> Pick | None:
    """The device that a name of a whole GPU stands for: of a split one, its first slice."""
    return next(iter(_devices(gpus, index)), None)


def _by_uuid(entry: str, gpus: Sequence[Countable]) -> Pick | None:
    if entry.startswith("GPU-"):
        hits = [i for i, gpu in enumerate(gpus) if gpu.uuid and gpu.uuid.startswith(entry)]
        return _first_of(gpus, hits[0]) if len(hits) == 1 else None
    slices = [
        (index, part, gpu.uuid, *gpu.slices[part])
        for index, gpu in enumerate(gpus)
        for part in range(len(gpu.slices))
    ]
    # Drivers before 470 name a slice MIG-<UUID of the GPU>/<GPU instance>/<compute instance>.
    old = re.fullmatch(r"MIG-(GPU-[^/]+)/(\d+)/(\d+)", entry, re.ASCII)
    if old:
        matches = [
            (index, part)
            for index, part, parent, _, instance, compute in slices
            if (parent, instance, compute) == (old[1], int(old[2]), int(old[3]))
        ]
    else:
        matches = [
            (index, part)
            for index, part, _, uuid, _, _ in slices
            if entry.startswith("MIG-") and uuid is not None and uuid.startswith(entry)
        ]
    return matches[0] if len(matches) == 1 else None


def _order_is_open(gpus: Sequence[Countable], environ: Mapping[str, str]) -> bool:
    names = {gpu.name for gpu in gpus if gpu.name is not None}
    return len(names) > 1 and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
