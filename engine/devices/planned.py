"""The devices of a plan, as a snapshot shows them, and what they can do together."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.engine.plan import Plan
from tunewright.engine.session import Session
from tunewright.engine.text import plain
from tunewright.hardware.capability import Capability
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import most_free_gpu
from tunewright.hardware.snapshot import Gpu, Pair, Snapshot

WAIT_RULE = "device.wait-until-free"
_PLAN_HERE = "plan on this one: the same command without --hardware, or --replay … --on here"


def planned_gpus(plan: Plan, snapshot: Snapshot) -> tuple[Gpu, ...]:
    """The devices of a plan that are still here, as `snapshot` shows them; the one with the most
    free memory for a plan that names none. () on the CPU."""
    if plan.device.value == "cpu":
        return ()
    if not plan.devices:
        gpu = most_free_gpu(snapshot)
        return () if gpu is None else (gpu,)
    found = (
        next(
            (
                gpu
                for gpu in snapshot.gpus
                if (gpu.uuid == planned.uuid if planned.uuid else gpu.label == planned.label)
            ),
            None,
        )
        for planned in plan.devices
    )
    return tuple(gpu for gpu in found if gpu is not None)


def planned_gpu(plan: Plan, snapshot: Snapshot) -> Gpu | None:
    """The device of a plan as `snapshot` shows it; of several, the one with the least free memory.
    None on the CPU, or when it is gone."""
    gpus = planned_gpus(plan, snapshot)
    return min(gpus, key=lambda gpu: gpu.free_bytes or 0, default=None)


def waits(plan: Plan) -> bool:
    """Whether the run of this plan starts only when its device has the memory that it needs."""
    return plan.device.rule == WAIT_RULE


def are_linked(gpus: Sequence[Gpu], pairs: Sequence[Pair]) -> bool:
    """Whether NVLink joins each of several devices to every other."""
    among = {gpu.index for gpu in gpus}
    ways = [pair for pair in pairs if {pair.a, pair.b} <= among]
    return bool(ways) and all(pair.nvlinks for pair in ways)


def lowest_capability(gpus: Sequence[Gpu]) -> Capability | None:
    """The capability that all devices have; None for none, and when one is not told."""
    told = [gpu.compute_capability for gpu in gpus if gpu.compute_capability is not None]
    return min(told) if told and len(told) == len(gpus) else None


PLAN_HERE = "plan on this one: the same command without --hardware, or --replay … --on here"


def refuse_invented(session: Session) -> None:
    """A `Problem` for a session that was planned on a machine that is not here."""
    recorded = session.recorded
    if recorded is not None and recorded.snapshot.simulated:
        raise Problem(
            f"nothing can be launched on {plain(recorded.snapshot.host.hostname)}",
            why="the session was planned on a machine that was invented or loaded from a file",
            cure=PLAN_HERE,
        )
