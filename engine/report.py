"""A run as one page of Markdown: what it proved, what ran and why, how to use what it made.

Read from the run directory alone, at any time: what has not happened yet is said so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from tunewright.engine.evidence.sections import decision_section, evidence_section
from tunewright.engine.plan import Decision, Plan
from tunewright.engine.prove.chart import loss_chart
from tunewright.engine.prove.markdown import escaped, fenced, sentence, table
from tunewright.engine.prove.sections import answers_section, changes_section, proof_section
from tunewright.engine.results import Results, read_results
from tunewright.engine.run.changes import read_changes
from tunewright.engine.run.rollup import read_curves
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.run.view import view
from tunewright.engine.session import Session, load_session
from tunewright.engine.ship.merge import MergeResult, told
from tunewright.engine.text import duration, size
from tunewright.engine.train.result import TrainResult


def report_markdown(run_dir: Path) -> str:
    """The report of a run as Markdown. A `Problem` when the folder is no run or is damaged.

    Text of data, model and person is escaped or fenced; terminal escapes are made visible.
    """
    run = RunDir(run_dir)
    head = _head(run)
    session = load_session(run.session)
    results = read_results(run)
    sections = (
        head,
        _verdict(results),
        decision_section(results.decided),
        evidence_section(results.evidence, results.pilot),
        proof_section(results.baseline, results.evaluation),
        answers_section(results.baseline, results.evaluation),
        changes_section(read_changes(run.events)),
        _what_ran(session, results),
        _training(run, results.train),
        _memory(session.plan, results.train),
        _decisions(session.plan),
        _merge(results.merge),
        _use(run),
        _environment(session, results),
    )
    filled = [lines for section in sections if (lines := list(section))]
    return "\n\n".join("\n".join(lines) for lines in filled) + "\n"


def _head(run: RunDir) -> list[str]:
    now = view(run)
    attempts = len(now.record.attempts)
    again = f", {attempts} attempts" if attempts > 1 else ""
    lines = [
        f"# {escaped(now.record.name)}",
        "",
        f"Run {escaped(now.record.id)}: {now.state}{again}.",
    ]
    if now.ended is not None and now.ended.state != "done":
        lines += ["", f"It ended: {escaped(now.ended.what)}. Why: {escaped(now.ended.why)}."]
        if now.ended.cure:
            lines[-1] += f" Cure: {escaped(now.ended.cure)}."
    return lines


def _verdict(results: Results) -> Iterator[str]:
    if results.evaluation is not None:
        yield f"**{sentence(results.evaluation.verdict)}**"
    elif results.baseline is not None:
        yield f"**{sentence(results.baseline.verdict)}** The tuned model is not measured yet."
    elif results.decided is not None:
        yield f"**{sentence(results.decided.verdict)}**"
    elif results.evidence is not None:
        yield f"**{sentence(results.evidence.verdict)}** It is not decided yet."
    else:
        yield "Nothing is measured yet."


def _what_ran(session: Session, results: Results) -> Iterator[str]:
    inputs, plan, recorded = session.inputs, session.plan, session.recorded
    yield "## What ran"
    yield ""
    yield f"- model: {escaped(inputs.model)}"
    if recorded is not None:
        shape, data = recorded.model, recorded.data
        yield (
            f"- its shape: {escaped(shape.model_type)}, {shape.parameters:,} parameters, "
            f"{shape.num_hidden_layers} layers, stored in {escaped(shape.weights_dtype)}"
        )
        yield f"- data: {escaped(inputs.data.path)} ({data.format}), answers are {data.answers}"
        yield (
            f"- rows: {data.rows:,} to train on, {data.eval_rows:,} held out, "
            f"{data.duplicate_rows:,} duplicates, {data.multi_turn_rows:,} with several turns"
        )
        yield (
            f"- tokens an epoch: {data.train_tokens:,}, of which {data.trained_tokens:,} are "
            f"trained; rows have {data.length_p50:,} in the middle and {data.length_max:,} at most"
        )
    if plan is not None:
        yield f"- method: {escaped(plan.method.value)} on {escaped(plan.device.value)}"
        yield "- stages: " + ", ".join(
            f"{stage.id} ({_took(stage.id, results)})" for stage in plan.stages
        )
        for warning in plan.warnings:
            yield f"- warning: {escaped(warning)}"


def _took(stage: str, results: Results) -> str:
    found = {
        "baseline": results.baseline,
        "train": results.train,
        "evaluate": results.evaluation,
        "merge": results.merge,
        "evidence": results.evidence,
        "pilot": results.pilot,
    }.get(stage)
    if stage == "decision":
        return "done" if results.decided is not None else "not done"
    return duration(found.seconds) if found is not None else "not done"


def _training(run: RunDir, train: TrainResult | None) -> Iterator[str]:
    curves = read_curves(run.events)
    if not curves.step:
        return
    yield "## Training"
    yield ""
    if train is not None:
        yield (
            f"{train.steps:,} of {train.total_steps:,} steps, {train.epochs:.2f} epochs, "
            f"{train.tokens:,} tokens in {duration(train.seconds)} "
            f"({train.tokens / max(train.seconds, 0.001):.0f} tokens/s, "
            f"{train.threads} thread{'s' if train.threads != 1 else ''}); "
            f"{train.trainable_parameters:,} of {train.total_parameters:,} parameters trained."
        )
        if train.kept_step != train.steps:
            yield f"The weights of step {train.kept_step} were kept: they had the best eval loss."
    yield _losses("Loss", curves.step, curves.loss)
    yield _losses("Held-out loss", curves.eval_step, curves.eval_loss)
    chart = loss_chart(curves)
    if chart:
        yield ""
        yield fenced(chart)


def _losses(name: str, steps: Sequence[int], losses: Sequence[float]) -> str:
    known = [(s, loss) for s, loss in zip(steps, losses, strict=True) if not math.isnan(loss)]
    if not known:
        return f"{name}: not measured."
    low = min(known, key=lambda pair: pair[1])
    return (
        f"{name}: {known[0][1]:.4f} at step {known[0][0]}, {known[-1][1]:.4f} at step "
        f"{known[-1][0]}, lowest {low[1]:.4f} at step {low[0]} (nats per trained token)."
    )


def _memory(plan: Plan | None, train: TrainResult | None) -> Iterator[str]:
    if plan is None:
        return
    estimate = plan.chosen().estimate
    yield "## Memory of training"
    yield ""
    yield table(
        ["peak", "bytes"],
        [
            ["predicted", size(estimate.expected_bytes)],
            ["likely range", f"{size(estimate.low_bytes)} to {size(estimate.high_bytes)}"],
            ["safe bound", size(estimate.safe_bytes)],
            ["measured", _measured(train, estimate.expected_bytes)],
        ],
    )
    yield ""
    yield table(
        ["part of the prediction", "bytes", "why"],
        ([escaped(i.id), size(i.bytes), escaped(i.why)] for i in estimate.items),
    )


def _measured(train: TrainResult | None, predicted: int) -> str:
    if train is None:
        return "not measured yet"
    off = train.measured_peak_bytes / predicted - 1 if predicted else math.nan
    return f"{size(train.measured_peak_bytes)} ({escaped(train.peak_of)}, {off:+.0%})"


def _decisions(plan: Plan | None) -> Iterator[str]:
    if plan is None:
        return
    yield "## What was decided, and why"
    yield ""
    decided = {"method": plan.method, "device": plan.device, **plan.settings}
    yield table(
        ["setting", "value", "because"],
        ([escaped(key), escaped(d.value), escaped(d.because)] for key, d in decided.items()),
    )
    others = [line for key, d in decided.items() for line in _not_taken(key, d)]
    if others:
        yield ""
        yield "Not taken:"
        yield ""
        yield from others


def _not_taken(key: str, decision: Decision) -> Iterator[str]:
    for other in decision.alternatives:
        yield f"- {escaped(key)} = {escaped(other.value)}: {escaped(other.why_not)}"


def _merge(merge: MergeResult | None) -> Iterator[str]:
    if merge is None:
        return
    yield "## Merged and verified"
    yield ""
    yield sentence(merge.verdict)
    yield ""
    for one in merge.tries:
        difference = one.agreement.max_logit_difference if one.agreement else None
        logits = "" if difference is None else f" (largest logit difference {difference:.2g})"
        said = told(one) if one.agreement is None or not one.agreement.agrees else "agrees"
        yield f"- {one.dtype}: {escaped(said)}{logits if said == 'agrees' else ''}"
    for one in merge.tries:
        if one.agreement is not None and one.agreement.first is not None:
            first = one.agreement.first
            yield ""
            yield f"In {one.dtype} held-out row {first.row + 1} went from"
            yield fenced(first.wanted)
            yield "to"
            yield fenced(first.got)


def _use(run: RunDir) -> Iterator[str]:
    made = [kind for kind in ("adapter", "model", "merged") if (run.path / kind).is_dir()]
    if not made:
        return
    what = {
        "adapter": "LoRA adapter; load it on its base with peft",
        "model": "the fully fine-tuned model",
        "merged": "adapter and base as one model, for any server",
    }
    yield "## Use"
    yield ""
    for kind in made:
        yield f"- `{kind}/`: {what[kind]}. README.md in it has the code, manifest.json the hashes."


def _environment(session: Session, results: Results) -> Iterator[str]:
    environment = results.environment or (
        session.recorded.environment if session.recorded is not None else None
    )
    if environment is None:
        return
    yield "## Environment"
    yield ""
    yield f"Python {escaped(environment.python)}, {escaped(environment.platform)}."
    if session.recorded is not None:
        host = session.recorded.snapshot.host
        gpus = ", ".join(escaped(gpu.name) for gpu in session.recorded.snapshot.gpus) or "no GPU"
        yield (
            f"Planned on {escaped(host.cpu_model)}, {host.cores} cores, "
            f"{size(host.ram_total_bytes)} of memory, {gpus}."
        )
    yield ""
    yield table(
        ["package", "version"],
        ([escaped(name), escaped(version)] for name, version in environment.packages.items()),
    )
