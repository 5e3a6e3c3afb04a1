"""Before a launch: what would keep a planned session from running, found before anything loads."""

from __future__ import annotations

import msgspec

from tunewright.engine.devices.choose import choose_device
from tunewright.engine.devices.planned import refuse_invented
from tunewright.engine.environment import missing_training_packages
from tunewright.engine.evidence.given import is_endpoint
from tunewright.engine.plan import MethodFit, told_fit
from tunewright.engine.session import Session
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.fit import judge
from tunewright.hardware.snapshot import Snapshot


def check_ready(planned: Session, python: str | None, here: Snapshot | None = None) -> None:
    """A `Problem` for a plan that does not fit, or where there is no training stack. `here` is this
    machine, when the plan was made for another one."""
    assert planned.plan is not None
    served = is_endpoint(planned.inputs.model)
    if not served:
        refuse_invented(planned)
        fit = planned.plan.chosen()
        if here is not None:
            fit = _fit_here(planned, fit, here)
        if fit.verdict == "no":
            raise does_not_fit(fit)
    evidence = planned.inputs.evidence is not None
    missing = (
        missing_training_packages(training=not served, evidence=evidence) if python is None else []
    )
    if missing:
        raise Problem(
            "the training stack is not installed",
            why=f"missing: {', '.join(missing)}",
            cure="pip install 'tunewright[train]', or name an interpreter that has it: --python",
        )


def does_not_fit(fit: MethodFit) -> Problem:
    """What is said of a plan that does not fit the machine."""
    return Problem(
        f"{fit.method} does not fit this machine",
        why=f"it {told_fit(fit)}",
        cure="a smaller model, --method qlora, a shorter max_length or a smaller "
        "per_device_train_batch_size; or free memory that other processes hold",
        exit=Exit.DOES_NOT_FIT,
    )


def _fit_here(planned: Session, fit: MethodFit, here: Snapshot) -> MethodFit:
    assert planned.plan is not None
    inputs, device = planned.inputs, planned.plan.device.value
    choice = choose_device(here, inputs.device, inputs.when_busy)
    if choice.device != device:
        raise Problem(
            f"the recorded plan trains on {device}, and this machine would on {choice.device}",
            why=choice.decision.because,
            cure="--on here plans for this machine; a recorded plan runs where it was recorded",
            exit=Exit.DOES_NOT_FIT,
        )
    free = choice.free_bytes
    return msgspec.structs.replace(fit, free_bytes=free, verdict=judge(fit.estimate, free))
