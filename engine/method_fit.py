"""How a method fits a machine: settings, the peak with the stages around it, a verdict. Pure."""

from __future__ import annotations

from typing import Any

from tunewright.engine.devices.choice import Choice
from tunewright.engine.evidence.given import EvidenceInput
from tunewright.engine.plan import (
    Decision,
    MethodFit,
)
from tunewright.engine.prove.defaults import default_settings as proof_settings
from tunewright.engine.run.stages import EVIDENCE
from tunewright.engine.session import Inputs, Recorded
from tunewright.engine.train.defaults import default_settings, lighter
from tunewright.engine.train.method import Method
from tunewright.engine.train.registry import methods
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import judge
from tunewright.hardware.memory.calibration import corrected, correction_for, key_of
from tunewright.hardware.memory.estimate import Device, MemoryEstimate, TrainingSetup
from tunewright.hardware.memory.stages import Proof, asking_peak, stage_peaks, with_stages
from tunewright.hardware.memory.training import estimate_training


def fit_method(
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
