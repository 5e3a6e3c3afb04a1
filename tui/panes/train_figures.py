"""The figures of a run in lines: speed, memory, checkpoints. Pure."""

from __future__ import annotations

from rich.text import Text

from tunewright.engine.plan import Plan
from tunewright.engine.run.progress import RunProgress
from tunewright.engine.text import size
from tunewright.tui.widgets.axis import number


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
