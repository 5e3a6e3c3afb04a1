"""Which GPUs CUDA_VISIBLE_DEVICES leaves to this process, by the rules of the CUDA runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tunewright.hardware.snapshot import Trouble


class Visible(msgspec.Struct, frozen=True):
    """NVML indices in the order in which CUDA counts them, and what was not understood."""

    indices: tuple[int, ...]
    trouble: Trouble | None = None


def visible_gpus(
    uuids: Sequence[str | None], names: Sequence[str | None], environ: Mapping[str, str]
) -> Visible:
    """Apply CUDA_VISIBLE_DEVICES to GPUs listed by NVML index (`None`: NVML would not say).

    Rules of the CUDA Programming Guide ("CUDA Environment Variables"): a comma list of ordinals or
    of unambiguous UUID prefixes; the first entry that names no GPU hides itself and all that
    follow; an entry given twice hides everything. NVML counts in PCI bus order, CUDA only under
    CUDA_DEVICE_ORDER=PCI_BUS_ID; where unlike GPUs make the two orders differ, that is said.
    """
    everything = tuple(range(len(uuids)))
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return Visible(everything)
    entries = [entry.strip() for entry in value.split(",")]
    if entries[0].startswith("MIG-"):
        return Visible(
            (),
            Trouble(
                what="CUDA_VISIBLE_DEVICES names MIG slices",
                why="the memory of a MIG slice is not read yet, only that of whole GPUs",
                cure="name a whole GPU (index or GPU-… UUID) in CUDA_VISIBLE_DEVICES",
            ),
        )
    by_uuid = entries[0].startswith("GPU-")
    picked: list[int] = []
    stopped_at: str | None = None
    for entry in entries:
        index = _by_uuid(entry, uuids) if by_uuid else _by_ordinal(entry, len(uuids))
        if index is None:
            stopped_at = entry
            break
        if index in picked:
            return Visible(
                (),
                Trouble(
                    what=f"CUDA_VISIBLE_DEVICES={value} names GPU {entry} twice",
                    why="CUDA hides every GPU when one is named twice",
                    cure="name each GPU once in CUDA_VISIBLE_DEVICES",
                ),
            )
        picked.append(index)

    trouble = None
    if uuids and not picked and stopped_at in ("", "-1"):
        trouble = Trouble(
            what=f"CUDA_VISIBLE_DEVICES hides all {len(uuids)} GPU(s) of this machine",
            why=f"it is set to {value!r}",
            cure="unset CUDA_VISIBLE_DEVICES, or name the GPUs to use",
        )
    elif stopped_at is not None and stopped_at not in ("", "-1"):
        trouble = Trouble(
            what=f"CUDA_VISIBLE_DEVICES names {stopped_at}, which is not a GPU here",
            why=f"CUDA stops at the first name that it does not know; {len(uuids)} GPU(s) are here",
            cure="correct CUDA_VISIBLE_DEVICES (nvidia-smi -L lists indices and UUIDs)",
        )
    elif picked and not by_uuid and _order_is_open(names, environ):
        trouble = Trouble(
            what="CUDA may count these GPUs in another order than shown",
            why="the GPUs differ, and CUDA sorts the fastest first unless CUDA_DEVICE_ORDER is set",
            cure="export CUDA_DEVICE_ORDER=PCI_BUS_ID",
        )
    return Visible(tuple(picked), trouble)


def _by_ordinal(entry: str, count: int) -> int | None:
    # CUDA reads leading digits as strtoul does: "1gpu" is 1.
    match = re.match(r"\+?(\d{1,9})", entry, re.ASCII)
    index = int(match[1]) if match else -1
    return index if 0 <= index < count else None


def _by_uuid(entry: str, uuids: Sequence[str | None]) -> int | None:
    if not entry.startswith("GPU-"):
        return None
    hits = [i for i, uuid in enumerate(uuids) if uuid is not None and uuid.startswith(entry)]
    return hits[0] if len(hits) == 1 else None


def _order_is_open(names: Sequence[str | None], environ: Mapping[str, str]) -> bool:
    return len(set(names)) > 1 and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
