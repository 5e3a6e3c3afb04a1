"""Which device a run uses: chosen from a snapshot, pure, with its reason and what else there is.

One process trains on one device, so of several that are named ("0,1") the one with the most free
memory is taken. Joined by a plus ("0+1") they are meant together: a process on each, each with a
copy of the model (DDP). A device is named by label ("0", "0:1" for a slice) or by the start of its
UUID; the run is given the UUID, since indices shift when a GPU falls out or another order is asked
for.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tunewright.engine.devices.busy import idle_bytes
from tunewright.engine.devices.choice import Choice, busy_warning, held, unknown_memory, untaken
from tunewright.engine.devices.names import AUTO, JOIN, find_named
from tunewright.engine.devices.planned import WAIT_RULE
from tunewright.engine.devices.together import choose_together
from tunewright.engine.plan import Decision
from tunewright.engine.text import size
from tunewright.hardware.fit import most_free_gpu, training_memory
from tunewright.hardware.snapshot import Gpu, Snapshot


def choose_device(snapshot: Snapshot, asked: str = AUTO, when_busy: str = "another") -> Choice:
    """The device for `asked` ("auto", "cpu", names with commas between for one of them, or with a
    plus for all of them); `when_busy` it is "another" one that is free is taken, where there is a
    choice, or it is waited for ("wait").

    A `Problem` for a name that is no device of the snapshot, one whose free memory is unknown, or
    devices that cannot train together.
    """
    if asked == "cpu":
        free = snapshot.host.ram_available_bytes
        because = f"asked for; {size(free)} of memory are available"
        return Choice("cpu", None, free, Decision("cpu", because, "device.asked-cpu"))
    if JOIN in asked:
        return choose_together(asked, snapshot, waits=when_busy == "wait")
    named = None if asked == AUTO else find_named(asked, snapshot.gpus)
    candidates = snapshot.gpus if named is None else named
    if when_busy == "wait":
        waited = _to_wait_for(candidates)
        if waited is not None:
            return _waiting(waited, candidates)
    if named is not None:
        return _of_named(named, snapshot)
    device, free, because = training_memory(snapshot)
    gpu = most_free_gpu(snapshot)
    others = untaken(gpu, snapshot.gpus)
    return Choice(
        device,
        gpu,
        free,
        Decision(device, because + held(gpu), "device.most-free-memory", others),
        busy_warning(gpu, others),
    )


def _of_named(named: Sequence[Gpu], snapshot: Snapshot) -> Choice:
    gpu = most_free_gpu(msgspec.structs.replace(snapshot, gpus=tuple(named)))
    if gpu is None or gpu.free_bytes is None:
        raise unknown_memory(named[0])
    because = f"asked for; GPU {gpu.label} ({gpu.name}) has {size(gpu.free_bytes)} free"
    if len(named) > 1:
        because += f", the most of the {len(named)} named; one process trains on one of them"
    others = untaken(gpu, snapshot.gpus)
    decision = Decision("cuda", because + held(gpu), "device.asked", others)
    return Choice("cuda", gpu, gpu.free_bytes, decision, busy_warning(gpu, others))


def _to_wait_for(candidates: Sequence[Gpu]) -> Gpu | None:
    """The device with the most memory once idle; of equal ones the one with the most free now."""
    known = [gpu for gpu in candidates if idle_bytes(gpu) is not None]
    return max(known, key=lambda g: (idle_bytes(g) or 0, g.free_bytes or 0), default=None)


def _waiting(gpu: Gpu, candidates: Sequence[Gpu]) -> Choice:
    idle = idle_bytes(gpu)
    assert idle is not None
    because = f"GPU {gpu.label} ({gpu.name}) has {size(idle)} when idle"
    if len(candidates) > 1:
        because += f", the most of {len(candidates)}"
    because += f"; {size(gpu.free_bytes)} are free now{held(gpu)}; the run waits for what it needs"
    others = untaken(gpu, candidates)
    return Choice("cuda", gpu, idle, Decision("cuda", because, WAIT_RULE, others))
