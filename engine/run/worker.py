"""The worker: runs the stages of one attempt, in its own process group, with the heavy stack.

Started by the supervisor as `python -m tunewright.engine.run.worker RUN_DIR`. Exit codes are those
of the contract: 0 done, 75 stopped, another one with a `failed` event that says why.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.environment import read_environment
from tunewright.engine.evidence.given import is_endpoint
from tunewright.engine.files import write_atomic
from tunewright.engine.homes import cache_home
from tunewright.engine.plan import Plan
from tunewright.engine.run.events import EventWriter, Note, StageDone, StageStarted, Warned
from tunewright.engine.run.explain import explain
from tunewright.engine.run.job import Job, Stopped
from tunewright.engine.run.orders import SUPERVISOR_GONE, FolderOrders
from tunewright.engine.run.rundir import ExitRecord, LaunchOptions, RunDir, spoken, write_exit
from tunewright.engine.run.stages import stage
from tunewright.engine.session import Session, load_session
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.nvml import read_gpus


def main(run_dir: str) -> int:
    run = RunDir(Path(run_dir))
    record = run.read_record()
    attempt = record.attempts[-1]
    resume = f"tunewright resume {spoken(run, record.id)}"
    events = EventWriter(run.events / f"{attempt.number}-worker0.jsonl")

    def orphan_left(what: str = "the worker left because its supervisor was gone") -> None:
        if not run.exit.exists():
            write_exit(run, _orphaned(attempt.number, what, resume))

    orders = FolderOrders(
        run, lambda: orphan_left("the worker hung after its supervisor died, and was ended")
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: orders.request_stop("told to end (SIGTERM)"))
    orders.start()
    try:
        session = load_session(run.session)
        _run_stages(run, session, attempt.number, attempt.options, events, orders)
    except Stopped as stopped:
        with contextlib.suppress(OSError):
            events.write(Note(text=f"stopped: {stopped}"))
        if orders.stop_requested() == SUPERVISOR_GONE:
            orphan_left()
        return Exit.STOPPED
    except BaseException as error:  # noqa: BLE001 - the last frame of the process: everything is told
        failed = explain(error, run.path, resume)
        # On a full disk neither may be possible; the supervisor then finds the disk full itself.
        with contextlib.suppress(OSError):
            events.write(failed)
        with contextlib.suppress(OSError):
            if not isinstance(error, Problem):
                traceback.print_exc()
        return failed.exit
    return Exit.DONE


def _run_stages(
    run: RunDir,
    session: Session,
    attempt: int,
    options: LaunchOptions,
    events: EventWriter,
    orders: FolderOrders,
) -> None:
    from tunewright.engine.model import resolve_model
    from tunewright.engine.model_fingerprint import check_model_unchanged

    assert session.plan is not None
    device = None
    if session.plan.device.value in ("cpu", "endpoint"):
        # The Trainer saves CUDA's random state where it sees a GPU, and opens a context for it.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        device = _show_planned(session.plan, events)
    _write_environment(run, device)
    # A server's model has no folder here, and its stages ask for none.
    model_dir = run.path
    if not is_endpoint(session.inputs.model):
        model_dir = resolve_model(session.inputs.model, run.path, cache_home())
        check_model_unchanged(model_dir, session.inputs.model_fingerprint)
    job = Job(
        run_dir=run.path,
        session=session,
        model_dir=model_dir,
        attempt=attempt,
        device=session.plan.device.value,
        emit=events.write,
        orders=orders,
        max_steps=options.max_steps,
        threads=options.threads,
    )
    for planned in session.plan.stages:
        if (run.results / f"{planned.id}.json").is_file():
            events.write(Note(text=f"{planned.title}: finished in an earlier attempt"))
            continue
        because = orders.stop_requested()
        if because is not None:
            raise Stopped(because)
        events.write(StageStarted(stage=planned.id, title=planned.title))
        started = time.monotonic()
        module, function = stage(planned.id).run.split(":")
        getattr(importlib.import_module(module), function)(job)
        events.write(
            StageDone(
                stage=planned.id,
                seconds=round(time.monotonic() - started, 3),
                result=_summary(run.results / f"{planned.id}.json"),
            )
        )


def _show_planned(plan: Plan, events: EventWriter) -> str | None:
    """Show CUDA only the device that was planned for, by UUID: indices shift, and the Trainer would
    spread a batch over every GPU that it sees. Of a plan for several, all of them; a `Problem` when
    one is missing. On a machine that has other devices, the one with
    the most free memory. What it is, with capability and driver; None where NVML names none."""
    read = read_gpus()
    here = {gpu.uuid: gpu for gpu in read.gpus if gpu.uuid is not None}
    uuids = [device.uuid for device in plan.devices if device.uuid and device.uuid in here]
    if len(plan.devices) > 1 and len(uuids) < len(plan.devices):
        gone = ", ".join(d.name for d in plan.devices if d.uuid not in here)
        raise Problem(
            f"the plan is for {len(plan.devices)} devices, and {len(uuids)} of them are here",
            why=f"not here: {gone}",
            cure="plan again on this machine: --replay session.json --on here, with --device",
            exit=Exit.FAILED,
        )
    if not uuids and here:
        uuid, gpu = max(here.items(), key=lambda item: item[1].free_bytes or 0)
        uuids = [uuid]
        if plan.devices:
            events.write(
                Warned(
                    what=f"the planned {plan.devices[0].name} is not here",
                    why="the session was planned on another machine, or the GPU is gone",
                    cure=f"nothing, if GPU {gpu.label} ({gpu.name}) will do: it is used instead",
                )
            )
    if not uuids:
        return None
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(uuids)
    shown = here[uuids[0]]
    capability = ".".join(map(str, shown.compute_capability or ())) or "unknown"
    return f"{shown.name}, capability {capability}, driver {read.driver_version}"


def _write_environment(run: RunDir, device: str | None) -> None:
    """What this interpreter on this host has: it may be another one than planned the run."""
    from tunewright.hardware.host import read_host

    environment = read_environment(read_host(), device)
    write_atomic(run.results / "environment.json", msgspec.json.encode(environment))


def _summary(result: Path) -> dict[str, Any]:
    """The figures at the top of a stage's result: what fits on a line of a log."""
    whole: dict[str, Any] = msgspec.json.decode(result.read_bytes())
    return {k: v for k, v in whole.items() if isinstance(v, (int, float, str, bool))}


def _orphaned(attempt: int, what: str, resume: str) -> ExitRecord:
    return ExitRecord(
        state="crashed",
        exit=Exit.FAILED,
        attempt=attempt,
        time=time.time(),
        what=what,
        why="the supervisor was killed or its machine is going down",
        cure=f"go on from the last checkpoint: {resume}",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
