"""make check-gpu: what the stub driver assumes, held against a real device; a table to paste.

Needs an NVIDIA GPU; on a machine without one it says so and checks nothing. CUDA's side needs a
torch that sees the device, and nvidia-smi's its program: rows without them say "skipped". Nothing
is changed on the device; some 300 MiB of it are held for a moment, and up to 3 GiB by three steps
of a training (`step.py`), whose measured peak is held against the plan's. Where it is outside of
what was predicted, the recorded memory is split into line items and the wrong one is named. Exit
code 1 when a row differs.

    python tests/gpu/check.py

Not run on a GPU here: it was written to the documentation of NVML, CUDA and nvidia-smi, and run
against the stub. A table from a real box, with its `tunewright hardware --json`, is welcome.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from attribution import wrong_term

from tunewright.hardware.capability import architecture
from tunewright.hardware.catalogue import part_of
from tunewright.hardware.live import LiveReader
from tunewright.hardware.snapshot import Gpu, Snapshot
from tunewright.hardware.take import take_snapshot

HERE = Path(__file__).parent
MIB = 1 << 20


class Line(NamedTuple):
    """One assumption: `verdict` is "holds", "differs", or "skipped"."""

    check: str
    assumed: str
    found: str
    verdict: str


def line(check: str, assumed: object, found: object, holds: bool | None = None) -> Line:
    """A row; without `holds` the two have to be equal."""
    same = assumed == found if holds is None else holds
    return Line(check, str(assumed), str(found), "holds" if same else "differs")


def skipped(check: str, why: str) -> Line:
    return Line(check, "", why, "skipped")


# -- NVML alone


def nvml_lines(machine: Snapshot) -> Iterator[Line]:
    """What NVML says of itself: sums, names, counts."""
    for gpu in (*machine.gpus, *machine.split):
        who = f"GPU {gpu.label}"
        yield line(f"{who} answers every field", "{}", gpu.unknown or "{}")
        if None not in (gpu.total_bytes, gpu.free_bytes, gpu.used_bytes, gpu.reserved_bytes):
            parts = (gpu.free_bytes or 0) + (gpu.used_bytes or 0) + (gpu.reserved_bytes or 0)
            whole = gpu.total_bytes or 0
            # The three are read at one moment, in whole MiB on some drivers.
            yield line(
                f"{who} free + used + reserved = total, MiB",
                whole // MIB,
                parts // MIB,
                abs(parts - whole) <= 2 * MIB,
            )
        held = sum(process.used_bytes or 0 for process in gpu.processes)
        if gpu.used_bytes is not None:
            yield line(
                f"{who} processes hold no more than is used, MiB",
                f"<= {gpu.used_bytes // MIB}",
                held // MIB,
                held <= gpu.used_bytes + 64 * MIB,
            )
        if gpu.compute_capability is not None and gpu.mig is None:
            yield line(
                f"{who} architecture follows from its capability",
                architecture(gpu.compute_capability),
                gpu.architecture,
            )
        yield from _catalogue_lines(gpu, who)
        for section in (gpu.activity, gpu.board, gpu.health):
            for field, why in (section.unknown if section is not None else {}).items():
                yield Line(f"{who} {field}", "may be refused", why, "holds")


def _catalogue_lines(gpu: Gpu, who: str) -> Iterator[Line]:
    part = part_of(gpu)
    if part is None:
        yield skipped(f"{who} is in the catalogue", f"{gpu.name} is not: please report it")
        return
    if gpu.mig is None and gpu.total_bytes is not None:
        yield line(
            f"{who} total memory as in the catalogue, MiB",
            part.total_bytes // MIB,
            gpu.total_bytes // MIB,
            abs(gpu.total_bytes - part.total_bytes) < 0.02 * part.total_bytes,
        )
    yield line(f"{who} capability as in the catalogue", part.capability, gpu.compute_capability)


def time_lines() -> Iterator[Line]:
    """What looking costs on a real driver."""
    began = time.perf_counter()
    take_snapshot()
    seconds = time.perf_counter() - began
    yield Line("a full snapshot, ms", "under 100 on the stub", f"{seconds * 1e3:.0f}", "holds")
    reader = LiveReader()
    reader.read()
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(20):
        reader.read()
    wall, used = (time.perf_counter() - began) / 20, (time.process_time() - cpu) / 20
    reader.close()
    # Once a second: CPU seconds of a reading are the share of a core.
    yield Line("a reading of the watch, ms", "under 900", f"{wall * 1e3:.0f}", "holds")
    yield line("watching costs of a core, %", "under 2", f"{used * 100:.1f}", used < 0.02)


# -- against nvidia-smi


def smi_lines(machine: Snapshot, smi: Callable[[str], str | None]) -> Iterator[Line]:
    """The driver's own program has to say the same."""
    told = smi("--query-gpu=index,uuid,name,memory.total,pci.bus_id")
    if told is None:
        yield skipped("nvidia-smi agrees", "there is no nvidia-smi, or it failed")
        return
    wholes = {gpu.index: gpu for gpu in (*machine.gpus, *machine.split) if gpu.mig is None}
    rows = [[cell.strip() for cell in row.split(",")] for row in told.strip().splitlines()]
    if os.environ.get("CUDA_VISIBLE_DEVICES") is None:
        yield line("nvidia-smi counts as many GPUs", len(rows), len(wholes))
    for index, uuid, name, total, bus in rows:
        gpu = wholes.get(int(index))
        if gpu is None:
            continue
        yield line(f"GPU {index} UUID as nvidia-smi", uuid, gpu.uuid)
        yield line(f"GPU {index} name as nvidia-smi", name, gpu.name)
        yield line(
            f"GPU {index} total MiB as nvidia-smi", total, str((gpu.total_bytes or 0) // MIB)
        )
        yield line(f"GPU {index} bus as nvidia-smi", bus.upper(), gpu.pci_bus_id)


def nvidia_smi(query: str) -> str | None:
    """What nvidia-smi answers; None when it does not."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    done = subprocess.run(
        [program, query, "--format=csv,noheader,nounits"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else None


# -- against CUDA, in a process that sees one device by its UUID

CUDA = """
import json, os, sys
import torch
if not torch.cuda.is_available():
    print(json.dumps({"why": f"torch {torch.__version__} sees no device"})); sys.exit()
kept = torch.zeros(64 * 2**20, dtype=torch.float32, device="cuda:0")
torch.cuda.synchronize()
free, total = torch.cuda.mem_get_info(0)
p = torch.cuda.get_device_properties(0)
from tunewright.hardware.nvml import read_gpus
mine = [q.used_bytes for g in read_gpus().gpus for q in g.processes if q.pid == os.getpid()]
print(json.dumps({
    "count": torch.cuda.device_count(), "name": p.name, "capability": [p.major, p.minor],
    "uuid": str(getattr(p, "uuid", "")), "free": free, "total": total, "mine": mine,
    "bf16": torch.cuda.is_bf16_supported(including_emulation=False),
}))
"""


def cuda_lines(gpu: Gpu) -> Iterator[Line]:
    """CUDA shown one device by its UUID has to see that one, and to know its memory."""
    who = f"GPU {gpu.label}"
    if gpu.uuid is None:
        yield skipped(f"{who} by UUID in CUDA", "the driver tells no UUID")
        return
    found = _cuda(gpu.uuid)
    if "why" in found:
        yield skipped(f"{who} by UUID in CUDA", str(found["why"]))
        return
    yield line(f"{who} is all that CUDA sees by UUID", 1, found["count"])
    if found["uuid"]:
        bare = gpu.uuid.removeprefix("GPU-").removeprefix("MIG-")
        yield line(f"{who} is the one with that UUID", bare, found["uuid"])
    yield line(f"{who} capability in CUDA", list(gpu.compute_capability or ()), found["capability"])
    yield line(f"{who} bf16 in CUDA", gpu.can.get("bf16"), found["bf16"])
    if gpu.total_bytes is not None and gpu.reserved_bytes is not None:
        usable = gpu.total_bytes - gpu.reserved_bytes
        yield line(
            f"{who} CUDA's total = NVML's total - reserved, MiB",
            usable // MIB,
            found["total"] // MIB,
            abs(found["total"] - usable) < 64 * MIB,
        )
    part = part_of(gpu)
    if part is not None and gpu.mig is None:
        yield line(
            f"{who} usable memory as in the catalogue, MiB",
            part.memory_bytes // MIB,
            found["total"] // MIB,
            found["total"] > 0.985 * part.memory_bytes,
        )
    # In a container with a pid namespace of its own the driver names other pids.
    held = found["mine"][0] if found["mine"] else None
    yield line(
        f"{who} lists a process of ours with its memory",
        ">= 256 MiB",
        "not listed (a container?)" if held is None else f"{held // MIB} MiB",
        held is None or held >= 256 * MIB,
    )
    if found["free"] < 3 << 30:
        yield skipped(
            f"{who} a training step", f"{found['free'] // MIB} MiB are free, 3 GiB needed"
        )
        return
    yield from step_lines(who, _in_process(gpu.uuid, str(HERE / "step.py")))


# -- a training step

# What of a prediction torch allocates; the rest of it is CUDA's and the libraries'.
TENSORS = ("weights", "adapters", "other-models", "optimizer", "gradients", "activations", "scores",
           "loss", "workspace")  # fmt: skip


def step_lines(who: str, told: dict[str, Any]) -> Iterator[Line]:
    """What three steps of a training took (the output of `step.py`), against what was planned."""
    if "why" in told:
        yield skipped(f"{who} a training step", str(told["why"]))
        return
    if "measured" not in told:
        yield skipped(f"{who} a training step", f"the plan trained on {told['device']}")
        return
    measured = told["measured"]
    holds = told["low"] <= measured <= told["safe"]
    yield line(
        f"{who} peak of a training step, MiB allocated",
        f"{told['expected'] // MIB} ({told['low'] // MIB} to {told['safe'] // MIB})",
        measured // MIB,
        holds,
    )
    # The recording has to account for what the allocator counted, or it names a wrong term.
    recorded = told["found"]["peak"]
    complete = abs(recorded - measured) <= 0.02 * measured
    yield line(
        f"{who} the recorded memory adds up to that peak, MiB",
        measured // MIB,
        recorded // MIB,
        complete,
    )
    if holds or not complete:
        return
    predicted = {id: told["predicted"].get(id, 0) for id in TENSORS}
    term, mine, theirs = wrong_term(predicted, told["found"]["items"])
    yield line(f"{who} the term that is off: {term}, MiB", mine // MIB, theirs // MIB, False)


def _cuda(uuid: str) -> dict[str, Any]:
    return _in_process(uuid, "-c", CUDA)


def _in_process(uuid: str, *words: str) -> dict[str, Any]:
    """The JSON of a Python process that sees one device alone; {"why": …} when it failed."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": uuid}
    done = subprocess.run(
        [sys.executable, *words],
        env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()
        return {"why": last[-1] if last else f"exit code {done.returncode}"}
    return dict(json.loads(done.stdout))


def main() -> int:
    machine = take_snapshot()
    if not machine.gpus and not machine.split:
        why = machine.gpu_trouble
        print("check-gpu: skipped, there is no NVIDIA GPU to check against here.")
        if why is not None:
            print(f"  {why.what}\n  why:  {why.why}\n  cure: {why.cure}")
        return 0
    lines = [*nvml_lines(machine), *time_lines(), *smi_lines(machine, nvidia_smi)]
    for gpu in machine.gpus:
        lines += cuda_lines(gpu)
    driver = machine.driver_version or "unknown"
    names = ", ".join(dict.fromkeys(gpu.name for gpu in machine.gpus))
    print(f"driver {driver}, Python {sys.version.split()[0]}: {names}\n")
    print("| check | assumed | found | |\n| --- | --- | --- | --- |")
    for row in lines:
        print("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |")
    differ = sum(row.verdict == "differs" for row in lines)
    print(f"\n{len(lines)} checked, {differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
