"""From inputs to a plan. `look` reads the machine, the model and the data; `make_plan` decides and
is pure: the same inputs and the same recorded facts give the same plan on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tunewright.engine.devices.choose import choose_device
from tunewright.engine.evidence.given import is_endpoint
from tunewright.engine.method_choice import choose_method
from tunewright.engine.method_fit import fit_method
from tunewright.engine.plan import (
    MethodFit,
    Plan,
    told_fit,
)
from tunewright.engine.planned_stages import planned_stages
from tunewright.engine.replay import (
    Difference,
    environment_of,
    expectation_of,
    plan_differences,
)
from tunewright.engine.session import Inputs, Recorded, Session
from tunewright.engine.train.names import parse_settings
from tunewright.engine.train.registry import method, methods
from tunewright.engine.train.rules.consistency import refuse_foreign
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Snapshot

if TYPE_CHECKING:
    from tunewright.engine.run.rundir import RunDir


def look(inputs: Inputs, base: Path, machine: Snapshot | None = None) -> tuple[Inputs, Recorded]:
    """Read what planning needs: every row of the data under the model's tokenizer, the model's
    shape, this machine (or the `machine` that is given). Returns the inputs with the fingerprints
    of data and model filled in."""
    from tunewright.engine.data.prepared import look_at_data
    from tunewright.engine.environment import read_environment
    from tunewright.engine.homes import cache_home
    from tunewright.engine.measured_peaks import read_measured
    from tunewright.engine.model import resolve_model
    from tunewright.engine.model_fingerprint import model_fingerprint
    from tunewright.hardware.shapes import read_shape
    from tunewright.hardware.take import take_snapshot

    model_dir = resolve_model(inputs.model, base, cache_home())
    shape = read_shape(model_dir)
    data, facts, _ = look_at_data(inputs, base, model_dir, inputs.overrides.get("loss.on"))
    snapshot = take_snapshot() if machine is None else machine
    recorded = Recorded(
        snapshot=snapshot,
        environment=read_environment(snapshot.host),
        data=facts,
        model=shape,
        peaks=tuple(row for row in read_measured() if row.key.family == shape.model_type),
    )
    inputs = msgspec.structs.replace(
        inputs, data=data, model_fingerprint=model_fingerprint(model_dir)
    )
    return inputs, recorded


def plan_recorded(session: Session, recorded: Recorded | None) -> Session:
    """The session with a plan made for `recorded` facts."""
    assert recorded is not None
    return msgspec.structs.replace(
        session, plan=make_plan(session.inputs, recorded), recorded=recorded
    )


def replan(
    session: Session, base: Path, on: str, machine: Snapshot | None = None
) -> tuple[Session, tuple[Difference, ...]]:
    """Plan a session anew, `on` the machine it "recorded" or "here" (or on `machine`, where one is
    given); what came out otherwise.

    A session without a plan is planned here, and differs in nothing.
    """
    if is_endpoint(session.inputs.model):
        from tunewright.engine.evidence.endpoint_plan import replan_endpoint

        return replan_endpoint(session, base)
    if session.plan is None or session.recorded is None:
        inputs, recorded = look(session.inputs, base, machine)
        return plan_recorded(msgspec.structs.replace(session, inputs=inputs), recorded), ()
    facts: tuple[Difference, ...] = ()
    if machine is not None:
        recorded = msgspec.structs.replace(session.recorded, snapshot=machine)
    elif on == "here":
        inputs, recorded = look(session.inputs, base)
        # What was measured since would correct the estimate, and make it another plan.
        recorded = msgspec.structs.replace(recorded, peaks=session.recorded.peaks)
        facts = _fact_differences(session.recorded, recorded)
        was, is_ = session.inputs.model_fingerprint, inputs.model_fingerprint
        if was is not None and was != is_:
            facts = (*facts, Difference("inputs.model_fingerprint", was, is_))
    else:
        recorded = session.recorded
        _check_data_is_there(session, base)
    planned = plan_recorded(session, recorded)
    assert planned.plan is not None
    return planned, (*facts, *plan_differences(session.plan, planned.plan))


def _fact_differences(recorded: Recorded, now: Recorded) -> tuple[Difference, ...]:
    """Data and model must be what they were; the machine may be another one."""
    found = []
    for name, was, is_ in (
        ("recorded.data", recorded.data, now.data),
        ("recorded.model", recorded.model, now.model),
    ):
        for field in was.__struct_fields__:
            a, b = getattr(was, field), getattr(is_, field)
            if a != b:
                found.append(Difference(f"{name}.{field}", a, b))
    return tuple(found)


def _check_data_is_there(session: Session, base: Path) -> None:
    """A dry run reads no row, but a file that is at hand must be the one that was planned with."""
    from tunewright.engine.data.fingerprint import check_unchanged

    data = session.inputs.data
    for path, expected in (
        (data.path, data.fingerprint),
        (data.eval_path, data.eval_fingerprint),
    ):
        if path is not None and (base / path).is_file():
            check_unchanged(base / path, expected)


def make_plan(inputs: Inputs, recorded: Recorded) -> Plan:
    """Decide everything from `inputs` and the recorded facts. Pure; a `Problem` for an override
    that makes no sense."""
    choice = choose_device(recorded.snapshot, inputs.device, inputs.when_busy)
    overrides, _ = parse_settings(inputs.overrides, recorded.model)
    if inputs.method != "auto":
        refuse_foreign(overrides, method(inputs.method))
    candidates = {
        candidate.id: fit_method(candidate, inputs, overrides, recorded, choice)
        for candidate in methods().values()
    }
    chosen = choose_method(inputs.method, {id: fit for id, (_, fit) in candidates.items()})
    settings, fit = candidates[chosen.value]
    _check_length(settings["training.max_length"].value, recorded)
    _check_seed(settings["training.seed"].value)
    return Plan(
        method=chosen,
        device=choice.decision,
        devices=choice.planned,
        settings=settings,
        stages=planned_stages(inputs),
        fits=tuple(fit for _, fit in candidates.values()),
        warnings=(
            *choice.warnings,
            *_warnings(recorded, fit, settings["training.max_length"].value),
        ),
    )


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise Problem(
            f"the seed {seed} is out of range",
            why="NumPy's generator takes 0 to 2^32 - 1",
            cure="--seed 42",
        )


def _check_length(max_length: int, recorded: Recorded) -> None:
    """Rows that are cut lose the end of their answer: more than 5 % of them stop the plan."""
    data = recorded.data
    if data.length_p95 > max_length:
        raise Problem(
            "more than 5 % of the rows would lose the end of their answer",
            why=f"max_length is {max_length} tokens; 5 % of the rows have {data.length_p95} or "
            f"more, the longest has {data.length_max}",
            cure=f"--set max_length={data.length_max}, a model with a longer context, or shorter "
            "rows",
        )


def _warnings(recorded: Recorded, fit: MethodFit, max_length: int) -> tuple[str, ...]:
    data = recorded.data
    warnings = []
    if fit.verdict == "tight":
        warnings.append(f"memory is tight: {fit.method} {told_fit(fit)}")
    if data.rows < 500:
        warnings.append(f"{data.rows} training rows: 500 or more are advised, 1000 are better")
    if data.length_max > max_length:
        warnings.append(
            f"rows longer than {max_length} tokens are cut; the longest has {data.length_max}"
        )
    if data.duplicate_rows:
        warnings.append(f"{data.duplicate_rows} rows are exact duplicates of another one")
    warnings += [
        f"the field {name!r} of {count:,} rows is not read in the {data.format} format"
        for name, count in data.unused_fields.items()
    ]
    return tuple(warnings)


def recorded_by(run: RunDir, session: Session) -> Session:
    """The session with what a finished run gave and the environment it really had."""
    recorded = session.recorded
    assert recorded is not None
    recorded = msgspec.structs.replace(
        recorded,
        expect=expectation_of(run),
        environment=environment_of(run) or recorded.environment,
    )
    return msgspec.structs.replace(session, recorded=recorded)
