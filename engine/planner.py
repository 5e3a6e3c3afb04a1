"""From inputs to a plan. `look` reads the machine, the model and the data; `make_plan` decides and
is pure: the same inputs and the same recorded facts give the same plan on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tunewright.engine.devices import Choice, choose_device
from tunewright.engine.evidence.given import EvidenceInput, is_endpoint
from tunewright.engine.plan import (
    Alternative,
    Decision,
    MethodFit,
    Plan,
    PlannedStage,
    told_fit,
)
from tunewright.engine.prove.defaults import default_settings as proof_settings
from tunewright.engine.replay import (
    Difference,
    environment_of,
    expectation_of,
    plan_differences,
)
from tunewright.engine.run.stages import EVIDENCE, STAGES
from tunewright.engine.session import Inputs, Recorded, Session
from tunewright.engine.train.defaults import default_settings, lighter
from tunewright.engine.train.method import Method
from tunewright.engine.train.names import parse_settings
from tunewright.engine.train.registry import method, methods
from tunewright.engine.train.rules.consistency import refuse_foreign
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import judge
from tunewright.hardware.memory.calibration import corrected, correction_for, key_of
from tunewright.hardware.memory.estimate import Device, MemoryEstimate, TrainingSetup
from tunewright.hardware.memory.stages import Proof, asking_peak, stage_peaks, with_stages
from tunewright.hardware.memory.training import estimate_training
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
        candidate.id: _fit(candidate, inputs, overrides, recorded, choice)
        for candidate in methods().values()
    }
    chosen = _choose(inputs.method, {id: fit for id, (_, fit) in candidates.items()})
    settings, fit = candidates[chosen.value]
    _check_length(settings["training.max_length"].value, recorded)
    _check_seed(settings["training.seed"].value)
    return Plan(
        method=chosen,
        device=choice.decision,
        devices=choice.planned,
        settings=settings,
        stages=_stages(inputs),
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


def _fit(
    candidate: Method,
    inputs: Inputs,
    overrides: dict[str, Any],
    recorded: Recorded,
    choice: Choice,
) -> tuple[dict[str, Decision], MethodFit]:
    """The candidate's settings and how they fit: the first of its lighter variants that does, or
    the lightest when none does."""
    device, capability, free_bytes = choice.device, choice.capability, choice.free_bytes
    # A setting of another method's group says nothing here; it was refused if a method was named.
    own = {k: v for k, v in overrides.items() if _concerns(k, candidate)}

    def tried(
        micro_batch: int | None, checkpointing: bool
    ) -> tuple[dict[str, Decision], MethodFit]:
        settings = default_settings(
            candidate,
            recorded.data,
            recorded.model,
            device=device,
            capability=capability,
            seed=inputs.seed,
            overrides=own,
            micro_batch=micro_batch,
            checkpointing=checkpointing,
            devices=max(1, len(choice.gpus)),
        )
        values = {key: decision.value for key, decision in settings.items()}
        setup = candidate.training_setup(device, capability, values, recorded.data.length_max)
        settings = _with_proof(settings, recorded, overrides)
        asked = "evaluation.batch_size" in overrides
        estimate, settings = _estimate(candidate, inputs, recorded, setup, settings, asked)
        if inputs.evidence is not None:
            estimate, settings = _asking(
                inputs.evidence, recorded, setup, settings, estimate, free_bytes
            )
        fit = MethodFit(candidate.id, judge(estimate, free_bytes), free_bytes, estimate)
        return settings | _evidence(inputs, recorded, settings, device), fit

    settings, fit = tried(None, False)
    first = settings["training.per_device_train_batch_size"].value
    for micro_batch, checkpointing in lighter(first):
        if fit.verdict == "fits":
            break
        settings, fit = tried(micro_batch, checkpointing)
    return settings, fit


def _estimate(
    candidate: Method,
    inputs: Inputs,
    recorded: Recorded,
    setup: TrainingSetup,
    settings: dict[str, Decision],
    asked: bool,
) -> tuple[MemoryEstimate, dict[str, Decision]]:
    """The step, corrected by what earlier runs measured, and the stages around it. A proof of
    fewer rows at once (unless a number was `asked` for) rather than one that decides what fits."""
    estimate = estimate_training(recorded.model, setup)
    if inputs.correct_memory and recorded.peaks:
        packages = recorded.environment.packages
        key = key_of(candidate.id, recorded.model.model_type, setup.device, packages)
        correction = correction_for(key, recorded.peaks)
        if correction is not None:
            estimate = corrected(estimate, correction)
    decided = settings["evaluation.batch_size"]
    rows = decided.value
    while True:
        proof = Proof(
            rows=rows,
            prompt=recorded.data.length_max,
            new_tokens=settings["evaluation.max_new_tokens"].value,
        )
        whole = with_stages(estimate, stage_peaks(recorded.model, setup, proof))
        if asked or rows == 1 or whole.expected_bytes == estimate.expected_bytes:
            break
        rows //= 2
    if rows != decided.value:
        because = f"{rows} rows a batch: more would take more memory than a training step"
        fewer = Decision(rows, because, "evaluation.batch-memory")
        settings = settings | {"evaluation.batch_size": fewer}
    return whole, settings


def _asking(
    given: EvidenceInput,
    recorded: Recorded,
    setup: TrainingSetup,
    settings: dict[str, Decision],
    estimate: MemoryEstimate,
    free_bytes: int,
) -> tuple[MemoryEstimate, dict[str, Decision]]:
    """The estimate with the stage that asks long prompts, and as many of them at once as fit."""
    from tunewright.engine.evidence.plan import asking_settings, longest_prompt, most_new_tokens

    new_tokens = most_new_tokens(given, settings["evaluation.max_new_tokens"].value)
    context = recorded.model.max_position_embeddings
    prompt = longest_prompt(given, recorded.data, context, new_tokens)
    rows = asked = settings["evaluation.batch_size"].value
    while True:
        proof = Proof(rows=rows, prompt=prompt, new_tokens=new_tokens)
        peak = asking_peak("evidence", recorded.model, setup, proof)
        whole = with_stages(estimate, (*estimate.stages, peak))
        if rows == 1 or judge(whole, free_bytes) == "fits":
            return whole, settings | asking_settings(prompt, rows, asked)
        rows //= 2


def _concerns(key: str, candidate: Method) -> bool:
    group = key.partition(".")[0]
    return group in candidate.groups or group not in {
        group for other in methods().values() for group in other.groups
    }


def _with_proof(
    settings: dict[str, Decision], recorded: Recorded, overrides: dict[str, Any]
) -> dict[str, Decision]:
    """Add the settings of evaluation and merge, with what was asked for."""
    proof = proof_settings(recorded.data)
    for key, value in overrides.items():
        if key in proof:
            because = f"you set it; advised was {proof[key].value!r}"
            proof[key] = Decision(value, because, "override")
    return settings | proof


def _evidence(
    inputs: Inputs, recorded: Recorded, settings: dict[str, Decision], device: Device
) -> dict[str, Decision]:
    """The settings of evidence and pilot, where a session asks for them."""
    if inputs.evidence is None:
        asked = [id for id in EVIDENCE if id in (inputs.stages or ())]
        if asked:
            raise Problem(
                f"a training has no stage {asked[0]}",
                why="what is measured before a decision is said by inputs.evidence of a session",
                cure="tunewright decide --data DATA --model MODEL",
            )
        return {}
    from tunewright.engine.evidence.plan import evidence_settings

    new_tokens = settings["evaluation.max_new_tokens"].value
    return evidence_settings(
        inputs.evidence, recorded.data, new_tokens, recorded.model.parameters, device
    )


def _choose(asked: str, fits: dict[str, MethodFit]) -> Decision:
    """The method, and why. LoRA first: it loses nothing measurable against full fine-tuning on
    small data sets (arXiv:2305.14314; arXiv:2405.09673 names limits) and needs the least care."""
    if asked != "auto":
        method(asked)
        return Decision(
            asked, f"asked for; it {told_fit(fits[asked])}", "method.asked", _others(asked, fits)
        )
    for wanted in ("fits", "tight"):
        for id in ("lora", "qlora"):
            if fits[id].verdict == wanted:
                return Decision(id, _because(id, fits), f"method.{id}-{wanted}", _others(id, fits))
    smallest = min(fits.values(), key=lambda fit: fit.estimate.expected_bytes)
    return Decision(
        smallest.method,
        f"nothing fits: even this, the smallest, {told_fit(smallest)}",
        "method.nothing-fits",
        _others(smallest.method, fits),
    )


def _because(id: str, fits: dict[str, MethodFit]) -> str:
    if id == "qlora" and fits["lora"].verdict != "fits":
        return f"LoRA on a 16-bit base {told_fit(fits['lora'])}; QLoRA {told_fit(fits['qlora'])}"
    return f"LoRA is the first choice where it fits, and it {told_fit(fits[id])}"


def _others(chosen: str, fits: dict[str, MethodFit]) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(id, f"{methods()[id].trade_off}; {told_fit(fit)}")
        for id, fit in fits.items()
        if id != chosen
    )


def _stages(inputs: Inputs) -> tuple[PlannedStage, ...]:
    """The stages to run, in their own order; a `Problem` for one that cannot run as asked."""
    asked = inputs.stages
    known = [stage.id for stage in STAGES]
    for name in asked or ():
        if name not in known:
            raise Problem(
                f"there is no stage {name!r}",
                why=f"the stages are {', '.join(known)}",
                cure=f"--stages {','.join(s.id for s in STAGES if not s.asked)}",
            )
    if asked is not None and not asked:
        raise Problem(
            "no stage is left to run", why="the list of stages is empty", cure="--stages train"
        )
    chosen = [s for s in STAGES if (not s.asked if asked is None else s.id in asked)]
    ids = {stage.id for stage in chosen}
    for stage in chosen:
        for needed in stage.needs:
            if needed not in ids:
                raise Problem(
                    f"the stage {stage.id!r} cannot run without {needed!r}",
                    why=f"it takes what {needed!r} gave in the same run",
                    cure="--stages " + ",".join(k for k in known if k in ids | {needed}),
                )
    return tuple(PlannedStage(stage.id, stage.title) for stage in chosen)


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
