"""The lines of the Train pane, from what is known of a run. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.text import Text

from tunewright.engine.plan import Plan
from tunewright.engine.run.events import Progress, Sample, StageDone
from tunewright.engine.run.progress import RunProgress, StageNow
from tunewright.engine.run.view import RunState
from tunewright.engine.session import Session
from tunewright.engine.text import duration, plain, shorten, size
from tunewright.engine.train.registry import method
from tunewright.engine.train.rules.batch import count_steps, rows_an_epoch
from tunewright.hardware.errors import Problem
from tunewright.tui.follow import describe
from tunewright.tui.widgets.axis import number
from tunewright.tui.widgets.lines import wrapped
from tunewright.tui.widgets.pyramid import Moment

STATE_STYLES: dict[RunState, str] = {
    "starting": "bold yellow",
    "running": "bold green",
    "paused": "bold yellow",
    "stopping": "bold yellow",
    "stopped": "bold yellow",
    "done": "bold green",
    "failed": "bold red",
    "crashed": "bold red",
}

# Measured on two cores: torch 3 s, transformers and trl 10 s more; a network disk takes longer.
STARTING = "importing torch and transformers, 10 to 20 s"

# What each stage is for, said before it is launched.
_PURPOSES = {
    "baseline": "the base model answers the held-out rows: what tuning must beat",
    "train": "",
    "evaluate": "the tuned model answers the same rows: better, or by chance?",
    "merge": "base and adapter become one model, checked to answer the same",
}


# -- before a run


def ready_lines(
    session: Session, plan: Plan, trouble: Problem | None, warning: str, width: int
) -> list[Text]:
    """What will be launched, stage by stage; or what keeps it from being launched."""
    name = plain(session.inputs.name)
    lines = [Text(f"Ready to launch {name}" if trouble is None else "Not ready yet", "bold")]
    lines.append(Text())
    purposes = _PURPOSES | {"train": _training_said(session, plan)}
    for at, stage in enumerate(plan.stages, 1):
        line = Text().append(f"  {at} {plain(stage.title):<24}", "bold")
        lines += wrapped(line.append(purposes.get(stage.id, "")), width, 28)
    fit = plan.chosen()
    lines.append(Text())
    lines += wrapped(
        f"Memory: {size(fit.estimate.expected_bytes)} expected at the peak, "
        f"{size(fit.estimate.safe_bytes)} to be safe, {size(fit.free_bytes)} free.",
        width,
    )
    for text in plan.warnings:
        lines += wrapped(Text(f"! {plain(text)}", "yellow"), width, 2)
    if warning:
        lines += wrapped(Text(f"! {plain(warning)}", "yellow"), width, 2)
    lines.append(Text())
    if trouble is not None:
        return lines + problem_lines(trouble, width)
    return lines + wrapped(
        Text()
        .append("enter launches it. ", "bold")
        .append(
            "It runs on its own: closing this screen or losing the connection does not touch it."
        ),
        width,
    )


def _training_said(session: Session, plan: Plan) -> str:
    values = {key: decision.value for key, decision in plan.settings.items()}
    assert session.recorded is not None
    rows = rows_an_epoch(values, session.recorded.data)
    batch = (
        values["training.per_device_train_batch_size"]
        * values["training.gradient_accumulation_steps"]
    )
    return (
        f"{method(plan.method.value).title}, {count_steps(values, rows):,} steps of {batch} "
        f"rows, learning rate {number(values['training.learning_rate'], 2)}"
    )


def unplanned_lines(trouble: Problem | None, width: int) -> list[Text]:
    """Why there is nothing to launch yet."""
    if trouble is None:
        return [
            Text("Nothing to launch yet", "bold"),
            *wrapped("Machine, model and data are still being looked at: a moment.", width),
        ]
    return [Text("Nothing to launch yet", "bold"), *problem_lines(trouble, width)]


def problem_lines(problem: Problem, width: int) -> list[Text]:
    """What, why and cure."""
    return [
        *wrapped(Text().append("! ", "bold red").append(plain(problem.what), "bold"), width, 2),
        *wrapped(Text().append("  why   ", "dim").append(plain(problem.why)), width, 8),
        *wrapped(Text().append("  cure  ", "dim").append(plain(problem.cure)), width, 8),
    ]


# -- a run


def head_lines(
    now: RunProgress, session: Session, stages: Sequence[StageNow], width: int
) -> list[Text]:
    """Which run, how it stands; its stages; how far it is and how long it will take."""
    return [
        _run_line(now, session, width),
        stages_line(stages, width),
        progress_line(now, stages, width),
    ]


def _run_line(now: RunProgress, session: Session, width: int) -> Text:
    assert now.view is not None
    state = now.view.state
    line = Text(no_wrap=True)
    line.append(state.upper(), STATE_STYLES[state])
    if session.plan is not None:
        line.append(f"  {method(session.plan.method.value).title.partition(' (')[0]}")
    line.append(f"  {plain(now.view.record.id)}")
    if (number := len(now.view.record.attempts)) > 1:
        line.append(f", attempt {number}")
    for said in ("  detached: closing this screen leaves it running", "  detached"):
        if now.view.alive and line.cell_len + len(said) <= width:
            line.append(said, "dim")
            break
    line.truncate(width, overflow="ellipsis")
    return line


def stages_line(stages: Sequence[StageNow], width: int) -> Text:
    """The stages in their order: done ones ticked, the present one in brackets."""
    for timed in (True, False):
        line = Text(no_wrap=True)
        for stage in stages:
            if stage.state == "running":
                line.append(f"[{stage.id}]", "bold reverse").append("  ")
            elif stage.state == "done":
                took = f" {duration(stage.seconds)}" if timed and stage.seconds is not None else ""
                line.append(f"✓ {stage.id}{took}  ")
            else:
                line.append(f"· {stage.id}  ", "dim")
        said = _next_said(stages)
        if line.cell_len + len(said) <= width:
            return line.append(said, "dim")
        if line.cell_len <= width:
            return line
    line.truncate(width, overflow="ellipsis")
    return line


def _next_said(stages: Sequence[StageNow]) -> str:
    """What comes after the stage that runs; "" when nothing does."""
    states = [stage.state for stage in stages]
    if "running" not in states:
        return ""
    after = stages[states.index("running") + 1 :]
    return f"next: {plain(after[0].title)}" if after else ""


def progress_line(now: RunProgress, stages: Sequence[StageNow], width: int) -> Text:
    """How far the present stage is, and what is left of it."""
    assert now.view is not None
    elapsed = now.seconds()
    took = f"{duration(elapsed)}" if elapsed is not None else ""
    running = next((stage for stage in stages if stage.state == "running"), None)
    if not now.view.alive:
        said = _steps_said(now)
        return _first_fitting([f"{said}, {took} in all", said] if took else [said], width)
    if running is None and stages and all(stage.state == "done" for stage in stages):
        return _first_fitting([f"all stages are done; ending, {took} so far", "ending"], width)
    if running is None:
        said = f"starting: {STARTING}; {took} so far"
        return _first_fitting([said, f"starting, {took} so far"], width)
    if running.id == "train":
        if now.step is None or not _stepped(now):
            return _first_fitting(
                [
                    f"train: loading the model, no step yet; {took} so far",
                    f"train: loading, {took}",
                ],
                width,
            )
        return _training_line(now, took, width)
    progress = running.progress
    if progress is None:
        said = f"{plain(running.title)}: loading the model; {took} so far"
        return _first_fitting([said, f"{running.id}: loading, {took}"], width)
    return _counted_line(running, progress, took, width)


def _stepped(now: RunProgress) -> bool:
    """Whether the present attempt has taken a step."""
    assert now.view is not None
    attempts = now.view.record.attempts
    return now.step is not None and (not attempts or now.step.time >= attempts[-1].started)


def _steps_said(now: RunProgress) -> str:
    if now.step is None:
        return "no step was taken"
    return f"step {now.step.step:,} of {now.step.total_steps:,}"


def _training_line(now: RunProgress, took: str, width: int) -> Text:
    assert now.step is not None
    step = now.step
    done = f"step {step.step:,}/{step.total_steps:,}"
    share = step.step / max(1, step.total_steps)
    left = now.left()
    paused = now.view is not None and now.view.state == "paused"
    tails = [f"  {took}"]
    if left is not None and not paused and step.step < step.total_steps:
        eta, low, high = left
        end = time.strftime("%H:%M", time.localtime(time.time() + eta))
        span = f" ({_span(low, high)})" if round(high) > round(low) else ""
        epoch = f"  epoch {step.epoch:.2f}"
        tails = [
            f"{epoch}  {took}  left {duration(eta)}{span}, to {end}",
            f"  {took}  left {duration(eta)}{span}, to {end}",
            f"  left {duration(eta)}{span}, to {end}",
            f"  left {duration(eta)}, to {end}",
            f"  left {duration(eta)}",
        ]
    return _with_bar(done, share, tails, width)


def _span(low: float, high: float) -> str:
    """Two times in the unit that tells them apart: "40-70 s", "16-21 min", "1.5-2.0 h"."""
    if low < 100 and high < 600:
        return f"{low:.0f}-{high:.0f} s"
    if high < 7200:
        return f"{low / 60:.0f}-{high / 60:.0f} min"
    return f"{low / 3600:.1f}-{high / 3600:.1f} h"


def _counted_line(stage: StageNow, progress: Progress, took: str, width: int) -> Text:
    done = f"{stage.id} {progress.done:,}/{progress.total:,} {plain(progress.unit)}"
    tails = [f"  {took}"]
    if progress.eta_seconds is not None:
        left = f"  left {duration(progress.eta_seconds)}"
        tails = [f"  {took}{left}", left]
    return _with_bar(done, progress.done / max(1, progress.total), tails, width)


def _with_bar(done: str, share: float, tails: Sequence[str], width: int) -> Text:
    """`done [bar] 58 % tail` with the longest tail that leaves a bar of ten cells, else none."""
    share = max(0.0, min(1.0, share))
    percent = f" {share:4.0%}".replace("%", " %")
    for tail in tails:
        room = width - len(done) - len(percent) - len(tail) - 2
        if room >= 10:
            room = min(room, 24)
            full = round(share * room)
            line = Text(no_wrap=True).append(f"{done} ", "bold").append("█" * full, "cyan")
            return line.append("·" * (room - full), "dim").append(percent, "bold").append(tail)
    return _first_fitting([done + tail for tail in tails] + [done], width)


def _first_fitting(wordings: Sequence[str], width: int) -> Text:
    return Text(
        next((w for w in wordings if len(w) <= width), shorten(wordings[-1], width)), no_wrap=True
    )


def number_lines(now: RunProgress, width: int) -> list[Text]:
    """Speed, learning rate, gradient norm; evaluations."""
    step = now.step
    if step is None:
        return []
    parts = [
        f"tok/s {step.tokens_per_second:,.0f}",
        f"step {step.step_seconds:.2f} s",
        f"lr {number(step.learning_rate, 2)}",
        f"grad {'not finite' if step.grad_norm is None else number(step.grad_norm, 3)}",
        f"tokens {step.tokens:,}",
    ]
    losses = now.curves.eval_loss
    if losses:
        best = min(losses)
        at = now.curves.eval_step[losses.index(best)]
        parts.insert(4, f"eval {number(losses[-1])}, best {number(best)} at {at:,}")
    line = Text(no_wrap=True)
    for part in parts:
        if line.cell_len + len(part) <= width:
            name, _, value = part.partition(" ")
            line.append(f"{name} ", "dim").append(f"{value}   ")
    return [line]


def memory_line(now: RunProgress, plan: Plan | None, width: int) -> Text | None:
    """The measured peak beside what was predicted, in words and with how far off."""
    estimate = plan.chosen().estimate if plan else None
    measured, of = None, "RAM"
    if now.memory is not None:
        measured, of = now.memory.measured_bytes, now.memory.what
    elif now.step is not None:
        step = now.step
        measured = step.gpu_bytes if step.gpu_bytes is not None else step.host_bytes
        of = "RAM" if step.gpu_bytes is None else "GPU"
    if measured is None or estimate is None:
        return None
    off = measured / max(1, estimate.expected_bytes) - 1
    over = measured > estimate.safe_bytes
    line = Text(no_wrap=True).append("memory ", "dim")
    line.append(f"peak {size(measured)} {of.partition(' ')[0].replace('host', 'RAM')}")
    told = f"   predicted {size(estimate.expected_bytes)} ({off:+.0%})".replace("%", " %")
    line.append(told)
    line.append(
        f"   safe {size(estimate.safe_bytes)}" + (": ABOVE IT" if over else ""),
        "bold yellow" if over else "",
    )
    line.truncate(width, overflow="ellipsis")
    return line


def checkpoint_line(now: RunProgress, plan: Plan | None, width: int) -> Text | None:
    """What could be gone on from, and when the next checkpoint is due."""
    line = Text(no_wrap=True).append("checkpoints ", "dim")
    if not now.checkpoints and now.step is None:
        return None
    steps = sorted(now.checkpoints)
    if steps:
        # The event is written once the checkpoint was read back.
        last = now.checkpoints[steps[-1]]
        shown = ", ".join(f"{step:,}" for step in steps[-4:])
        line.append(f"{'… ' if len(steps) > 4 else ''}{shown} ({size(last.bytes)})")
    else:
        line.append("none yet")
    every = plan.settings.get("training.save_steps") if plan else None
    if now.step is not None and every is not None and now.view is not None and now.view.alive:
        due = (now.step.step // every.value + 1) * every.value
        if due <= now.step.total_steps:
            line.append(f"   next {due:,}")
    line.truncate(width, overflow="ellipsis")
    return line


def notable_line(moments: Sequence[Moment], now: RunProgress, width: int) -> Text | None:
    """The last thing worth a look, if there is one."""
    said = ""
    if now.warned:
        said = plain(now.warned[-1].what)
    elif moments:
        last = moments[-1]
        what = "is not finite" if last.value is None else f"jumps to {number(last.value, 3)}"
        more = f", and {len(moments) - 1:,} more" if len(moments) > 1 else ""
        said = f"loss {what} at step {last.step:,.0f}{more}"
    elif rising := eval_rises(now):
        said = rising
    if not said:
        return None
    return (
        Text(no_wrap=True)
        .append(shorten(f"! {said}", width - 8), "yellow")
        .append("  w why", "bold")
    )


def eval_rises(now: RunProgress) -> str:
    """Whether the held-out loss has risen for two evaluations since its best, in words."""
    losses = now.curves.eval_loss
    if len(losses) < 3:
        return ""
    best = losses.index(min(losses))
    if len(losses) - best < 3 or losses[-1] <= losses[best]:
        return ""
    rise = losses[-1] / losses[best] - 1
    return f"eval loss is {rise:.1%} over its best, of step {now.curves.eval_step[best]:,}".replace(
        "%", " %"
    )


def answer_lines(answer: Sample | None, width: int) -> list[Text]:
    """One held-out row: what was wanted, what came."""
    if answer is None:
        return []
    same = answer.want == answer.got
    who = {"baseline": "base", "evaluate": "tuned"}.get(answer.stage, plain(answer.stage))
    head = f"{who}, row {answer.row + 1} "
    return [
        Text(no_wrap=True)
        .append(f"{head}wanted ", "dim")
        .append(shorten(answer.want, max(8, width - len(head) - 7))),
        Text(" " * (len(head) - 2), no_wrap=True)
        .append("= " if same else "≠ ", "bold green" if same else "bold")
        .append("got    ", "dim")
        .append(shorten(answer.got, max(8, width - len(head) - 7))),
    ]


def ending_lines(now: RunProgress, width: int) -> list[Text]:
    """How the run ended and what to do next; [] while it goes on."""
    assert now.view is not None
    ended = now.view.ended
    if ended is None:
        return []
    if ended.state == "done":
        lines = []
        for event in now.log:
            if isinstance(event, StageDone) and event.result.get("verdict"):
                verdict = plain(str(event.result["verdict"]))
                lines += wrapped(Text(f"{event.stage}: {verdict}"), width, 2)
        return [*lines, *wrapped(Text("enter: what it proved, row by row", "bold"), width)]
    problem = Problem(ended.what, why=ended.why or "not told", cure=ended.cure or "r resumes it")
    if ended.state == "stopped":
        lines = wrapped(Text(f"stopped: {plain(ended.why or ended.what)}", "bold"), width, 2)
    else:
        lines = problem_lines(problem, width)
    steps = sorted(now.checkpoints)
    at = f"from step {steps[-1]:,}" if steps else "from the start: no checkpoint was written"
    return [*lines, *wrapped(Text(f"r resumes it {at}", "bold"), width)]


# -- boxes over it


def why_lines(
    moments: Sequence[Moment], now: RunProgress, plan: Plan | None, width: int
) -> list[Text]:
    """What is notable in this run and what it means."""
    lines: list[Text] = []
    for warned in now.warned:
        lines += problem_lines(Problem(warned.what, why=warned.why, cure=warned.cure), width)
    spikes = [moment for moment in moments if moment.kind == "spike"]
    if spikes:
        lines.append(Text("Spikes of the loss", "bold"))
        for moment in spikes[-12:]:
            lines.append(Text(f"  step {moment.step:>9,.0f}   {number(moment.value or 0, 4)}"))
        if len(spikes) > 12:
            lines.append(Text(f"  and {len(spikes) - 12:,} before them", "dim"))
        lines += wrapped(
            "More than six standard deviations above the running mean. One odd row or a batch of "
            "them does that. When the loss comes back within some steps there is nothing to do; "
            "when it stays, go back to a checkpoint with a lower learning rate.",
            width,
        )
    lost = [moment for moment in moments if moment.kind == "not finite"]
    if lost:
        at = ", ".join(f"{moment.step:,.0f}" for moment in lost[-8:])
        lines.append(Text(f"Not finite at {at}", "bold"))
        lines += wrapped(
            "A number overflowed. After three such steps in a row the run ends by itself; no "
            "checkpoint is written from lost weights.",
            width,
        )
    rising = eval_rises(now)
    if rising:
        lines.append(Text(rising[:1].upper() + rising[1:], "bold"))
        lines += wrapped(
            "The model starts to memorise its rows. The best checkpoint is kept when the plan has "
            "load_best_model_at_end; fewer epochs would do as well.",
            width,
        )
    memory = memory_line(now, plan, width)
    if memory is not None:
        lines += [Text("Memory", "bold"), memory]
        lines += wrapped(
            "The peak of the whole process beside the prediction of the plan. The safe bound is "
            "meant to hold in 95 % of runs.",
            width,
        )
    left = now.left()
    if left is not None and left[2] > left[1]:
        lines.append(Text("Time left", "bold"))
        lines += wrapped(
            "What the last steps took, times the steps that are left, and the evaluations. The "
            "range is what the slowest and the fastest tenth of the last 200 steps would make of "
            "it. The stages after training are not in it.",
            width,
        )
    return lines or wrapped("Nothing notable: no spike, nothing that is not finite.", width)


def log_lines(now: RunProgress, width: int) -> list[Text]:
    """What the run said, oldest first."""
    lines: list[Text] = []
    for event in sorted(now.log, key=lambda event: event.time):
        said = describe(event)
        if said is not None:
            at = time.strftime("%H:%M:%S", time.localtime(event.time))
            lines += wrapped(Text().append(f"{at}  ", "dim").append(said), width, 10)
    return lines


def all_answer_lines(answers: Sequence[Sample], width: int) -> list[Text]:
    """Every answer so far, newest first, what was wanted above what came."""
    lines: list[Text] = []
    for answer in reversed(answers):
        same = answer.want == answer.got
        mark = "= as wanted" if same else "≠ other than wanted"
        lines.append(Text(f"{answer.stage}, row {answer.row + 1}: {mark}", "bold"))
        for name, text in (("wanted", answer.want), ("got", answer.got)):
            said = Text().append(f"  {name:<7}", "dim").append(plain(text[:2000]))
            lines += wrapped(said, width, 9)
    return lines
