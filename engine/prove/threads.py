"""How many CPU threads answer fastest: measured on the machine as it is, and recorded.

More threads are often slower: writing a token is bound by memory, and on a busy machine two
threads wait for each other (3 tokens/s against 47 were measured with a 135M model).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tunewright.engine.run.events import Note
from tunewright.engine.run.job import Job
from tunewright.engine.train.threads import record_threads, recorded_threads

_ROWS = 8
_PROMPT_TOKENS = 48
_STEPS = 4
_ROUNDS = 2
_CLEARLY = 0.95


class Threads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CPU threads for reading prompts and for writing answers, with the reason."""

    prefill: int
    decode: int
    because: str = ""


def threads_for(job: Job, model: Any, prompts: Sequence[Sequence[int]]) -> Threads | None:
    """Threads for this run's answers; None on a GPU, where they do not matter.

    What a recorded run used is used again, then what an earlier stage of this run probed; only
    then is it probed, and written to results/threads.json under "prefill" and "decode".
    """
    if job.device != "cpu":
        return None
    results = job.run_dir / "results"
    known = recorded_threads(results) | job.threads
    if "decode" in known:
        return Threads(
            known.get("prefill", known["decode"]), known["decode"], "as recorded for this run"
        )
    threads = probe_threads(model, prompts)
    record_threads(results, "prefill", threads.prefill)
    record_threads(results, "decode", threads.decode)
    job.emit(Note(text=f"threads for answers: {threads.because}"))
    return threads


def probe_threads(model: Any, prompts: Sequence[Sequence[int]]) -> Threads:
    """Time reading a batch of prompts and writing a few tokens with 1, 2, half and all cores.

    Takes a few seconds on a small model; what is over twice as slow is not tried again. The best
    of two rounds counts, since the first one also pays for warming up; more threads have to win
    by 5 %, since timings on a busy machine scatter.
    """
    import torch

    choices = sorted({1, min(2, _cores()), max(1, _cores() // 2), _cores()})
    if len(choices) == 1:
        return Threads(1, 1, "one usable core")
    rows = [list(prompt)[:_PROMPT_TOKENS] for prompt in prompts[:_ROWS]]
    width = min(len(row) for row in rows)
    ids = torch.tensor([row[-width:] for row in rows], device=model.device)
    prefill = dict.fromkeys(choices, float("inf"))
    decode = dict.fromkeys(choices, float("inf"))
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            for count in choices:
                slow = 2 * min(decode.values())
                if slow < decode[count] < float("inf"):
                    continue
                with using(count):
                    read, write = _time(model, ids, slow)
                prefill[count] = min(prefill[count], read)
                decode[count] = min(decode[count], write)
    return Threads(
        fastest(prefill),
        fastest(decode),
        f"reading {_told(prefill, ids.numel())}; writing {_told(decode, len(rows) * _STEPS)}",
    )


def fastest(seconds: dict[int, float]) -> int:
    """The thread count to take: a larger one only where it is clearly faster."""
    best, *others = sorted(seconds)
    for count in others:
        if seconds[count] < seconds[best] * _CLEARLY:
            best = count
    return best


def _time(model: Any, ids: Any, slow: float) -> tuple[float, float]:
    """Seconds to read the prompts, and to write `_STEPS` tokens after them: fewer are written, and
    the time is scaled, once it is beyond `slow`."""
    started = time.perf_counter()
    out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
    read = time.perf_counter() - started
    started = time.perf_counter()
    written = taken = 0.0
    while written < _STEPS and taken < slow:
        out = model(
            input_ids=out.logits[:, -1].argmax(-1)[:, None],
            past_key_values=out.past_key_values,
            use_cache=True,
            logits_to_keep=1,
        )
        written += 1
        taken = time.perf_counter() - started
    return read, taken * _STEPS / written


def _told(seconds: dict[int, float], tokens: int) -> str:
    speeds = ", ".join(
        f"{tokens / taken:.0f} tokens/s with {count} thread{'s' if count > 1 else ''}"
        for count, taken in seconds.items()
    )
    return f"{speeds}: {fastest(seconds)}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def using(threads: int | None) -> Iterator[None]:
    """Run with that many CPU threads (None: as it is), then as before."""
    import torch

    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
