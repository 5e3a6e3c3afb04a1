"""What the training loop says and obeys, at each step: events out, orders in, checkpoints sealed.

`Watch` holds the logic and imports nothing heavy; `as_callback` makes a TrainerCallback of it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunewright.engine.run.events import Answered, Checkpoint, Evaluated, Step, Warned
from tunewright.engine.run.job import Job
from tunewright.engine.train import checkpoints
from tunewright.engine.train.peak import host_peak_bytes
from tunewright.engine.train.rules.cadence import FIRST_CHECKPOINT
from tunewright.engine.train.samples import Sampler
from tunewright.hardware.errors import Exit, Problem

# One bad batch can be an accident of float16; three in a row are weights that are lost.
NON_FINITE_LIMIT = 3
_WINDOW = 20

GpuMemory = Callable[[], tuple[int, int]]


class Watch:
    """Turns the Trainer's calls into events and a person's orders into the Trainer's controls.

    `keep` checkpoints are kept besides the best; `resumed` is the one that training starts from.
    `gpu_memory` gives the peak allocated and reserved bytes; `readable` raises when a checkpoint's
    files do not load; `sampler` answers held-out rows at each evaluation. After training,
    `stop_reason` says why it was left early on request, and `problem` what ended it.
    """

    def __init__(
        self,
        job: Job,
        *,
        keep: int,
        readable: Callable[[Path], None],
        resumed: checkpoints.Checkpoint | None = None,
        gpu_memory: GpuMemory | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        self.stop_reason: str | None = None
        self.problem: Problem | None = None
        self.target = 0
        self._job = job
        self._keep = keep
        self._readable = readable
        self._gpu_memory = gpu_memory
        self._sampler = sampler
        self._resumed = resumed
        self._seconds_before = resumed.manifest.seconds if resumed else 0.0
        self._started = self._mark = time.monotonic()
        self._tokens = resumed.manifest.tokens if resumed else 0
        self._busy = 0.0
        self._busy_steps = 0
        self._recent: deque[tuple[float, int, int]] = deque(maxlen=_WINDOW)
        self._eval_seconds = 0.0
        self._non_finite = 0
        self._saved_one = False
        self._because = ""
        self._asked: list[str] = []

    @property
    def seconds(self) -> float:
        """Training time so far over all attempts, without pauses and sample answers."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def tokens_per_second(self) -> float | None:
        """Of the last steps, padding not counted; None before the first."""
        busy = sum(seconds for seconds, _, _ in self._recent)
        return sum(tokens for _, tokens, _ in self._recent) / busy if busy else None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.target = min(state.max_steps, self._job.max_steps or state.max_steps)
        self._mark = time.monotonic()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._mark = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Decide what follows this step. Runs after the Trainer's own decisions."""
        self._busy += time.monotonic() - self._mark
        self._busy_steps += 1
        step = state.global_step
        orders = self._job.orders
        before = time.monotonic()
        orders.wait_while_paused()
        self._started += time.monotonic() - before
        why = [f"every {state.save_steps} steps"] if control.should_save else []
        while (asked := orders.take_checkpoint_request()) is not None:
            self._asked.append(asked)
        if self._asked:
            why.append("asked for")
        if step == min(FIRST_CHECKPOINT, self.target) and self._resumed is None:
            why.append("a first one, early")
        if step >= self.target:
            why = ["the last step"]
            control.should_training_stop = True
            if step < state.max_steps:
                control.should_evaluate = args.eval_strategy != "no"
        elif (because := orders.stop_requested()) is not None:
            why = [f"stopping: {because}"]
            control.should_training_stop = True
            self.stop_reason = because
        if why:
            control.should_save = True
            # A checkpoint of lost weights is worth nothing: the loss is looked at before it.
            control.should_log = True
        self._because = ", ".join(why)
        self._mark = time.monotonic()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if logs is None or "loss" not in logs:
            self._mark = time.monotonic()
            return
        loss, norm = logs["loss"], logs.get("grad_norm")
        self._emit_step(state, loss, norm, logs["learning_rate"])
        # With loss scaling an infinite gradient is normal: that step is skipped and the scale cut.
        lost = not math.isfinite(loss) or (
            norm is not None and not math.isfinite(norm) and not args.fp16
        )
        if lost:
            self._count_non_finite(state.global_step, loss, norm, control)
        else:
            self._non_finite = 0
        self._mark = time.monotonic()

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, Any], **_: Any
    ) -> None:
        self._eval_seconds = metrics["eval_runtime"]
        self._job.emit(
            Evaluated(
                step=state.global_step,
                eval_loss=metrics["eval_loss"],
                seconds=round(self._eval_seconds, 3),
            )
        )
        if self._sampler is not None and not self._non_finite:
            took = self._sampler.sample(state.global_step, self.seconds - self._seconds_before)
            self._started += took
        self._mark = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seal the checkpoint that was written, read it back, and let older ones go."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        checkpoints.seal(
            folder,
            step=state.global_step,
            tokens=state.num_input_tokens_seen,
            seconds=round(self.seconds, 3),
        )
        found = checkpoints.inspect(folder)
        if isinstance(found, checkpoints.Torn):
            raise Problem(
                f"the checkpoint of step {state.global_step} does not read back",
                why=found.why,
                cure="the disk or its file system loses data: put the run on another one with "
                "--run-dir",
                exit=Exit.FAILED,
            )
        if not self._saved_one:
            self._readable(folder)
            self._saved_one = True
        self._job.emit(
            Checkpoint(
                step=found.step,
                path=str(folder.relative_to(self._job.run_dir)),
                bytes=found.bytes,
                because=self._because,
            )
        )
        best = state.best_model_checkpoint
        checkpoints.prune(folder.parent, self._keep, [Path(best)] if best else [])
        self._answer(f"checkpoint at step {state.global_step}")
        self._mark = time.monotonic()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._non_finite and self.problem is None:
            self.problem = _lost(self._non_finite, state.global_step)
        self._answer("not written: training has ended")

    def _emit_step(self, state: Any, loss: float, norm: float | None, rate: float) -> None:
        tokens = state.num_input_tokens_seen
        self._recent.append((self._busy, tokens - self._tokens, self._busy_steps))
        self._tokens = tokens
        busy = sum(seconds for seconds, _, _ in self._recent)
        steps = sum(count for _, _, count in self._recent)
        a_step = busy / steps if steps else 0.0
        left = max(0, self.target - state.global_step)
        evaluations = left // state.eval_steps if self._eval_seconds and state.eval_steps else 0
        an_evaluation = self._eval_seconds + (self._sampler.mean_seconds if self._sampler else 0.0)
        gpu = self._gpu_memory() if self._gpu_memory else (None, None)
        self._job.emit(
            Step(
                step=state.global_step,
                total_steps=self.target,
                epoch=round(state.epoch or 0.0, 4),
                loss=loss if math.isfinite(loss) else None,
                learning_rate=rate,
                grad_norm=norm if norm is not None and math.isfinite(norm) else None,
                tokens=tokens,
                tokens_per_second=round(self.tokens_per_second or 0.0, 2),
                step_seconds=round(self._busy / max(1, self._busy_steps), 4),
                eta_seconds=round(left * a_step + evaluations * an_evaluation, 1),
                host_bytes=host_peak_bytes(),
                gpu_bytes=gpu[0],
                gpu_reserved_bytes=gpu[1],
            )
        )
        self._busy, self._busy_steps = 0.0, 0

    def _count_non_finite(self, step: int, loss: float, norm: float | None, control: Any) -> None:
        self._non_finite += 1
        control.should_save = False
        control.should_evaluate = False
        self._answer(f"not written: the loss of step {step} is not a number")
        if self._non_finite == 1:
            self._job.emit(
                Warned(
                    what=f"step {step} gave a loss of {loss} with a gradient norm of {norm}",
                    why="a number overflowed or a gradient exploded",
                    cure=f"nothing yet: training stops after {NON_FINITE_LIMIT} such steps in a "
                    "row, and no checkpoint is written until it recovers",
                )
            )
        if self._non_finite >= NON_FINITE_LIMIT:
            control.should_training_stop = True
            self.problem = _lost(self._non_finite, step)

    def _answer(self, answer: str) -> None:
        for id in self._asked:
            self._job.emit(Answered(id=id, command="checkpoint", answer=answer))
        self._asked.clear()


def _lost(count: int, step: int) -> Problem:
    return Problem(
        f"training was lost: {count} steps in a row up to step {step} gave no finite loss",
        why="the weights are no numbers any more; usually the learning rate is too high, or a "
        "16-bit format overflowed",
        cure="start again with a lower one, e.g. --set learning_rate=5e-5; the checkpoints from "
        "before are kept",
        exit=Exit.FAILED,
    )


def as_callback(watch: Watch) -> Any:
    """A `transformers.TrainerCallback` that passes the Trainer's calls on to `watch`."""
    from transformers import TrainerCallback

    events = [name for name in vars(Watch) if name.startswith("on_")]
    methods = {name: staticmethod(getattr(watch, name)) for name in events}
    return type("WatchCallback", (TrainerCallback,), methods)()
