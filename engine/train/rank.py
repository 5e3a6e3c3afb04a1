"""Any rank but the first: trains its share of each step, and tells nobody but rank 0.

Started by the worker as `python -m tunewright.engine.train.rank JSON`. Of the run's files it writes
its own random state into a checkpoint, and engine.log.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import msgspec

from tunewright.engine.run.events import Event
from tunewright.engine.run.explain import explain
from tunewright.engine.run.job import Job, NoOrders
from tunewright.engine.run.rundir import RunDir, spoken
from tunewright.engine.session import load_session
from tunewright.engine.train import together
from tunewright.engine.train.ranks import Seat, arrival
from tunewright.engine.train.registry import method as method_of
from tunewright.engine.train.together import Together
from tunewright.engine.train.trainer import build_trainer, quiet_libraries
from tunewright.hardware.errors import Exit, Problem

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main(seat_json: str) -> int:
    seat = msgspec.json.decode(seat_json, type=Seat)
    _die_with(seat.parent)
    # What is sent to the whole group is for rank 0 to act upon.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _train(seat)
    except BaseException as error:  # noqa: BLE001 - the last frame of the process: all of it is told
        run = RunDir(Path(seat.run_dir))
        failed = explain(error, run.path, f"tunewright resume {spoken(run, run.read_record().id)}")
        with suppress(OSError):
            os.write(seat.said, msgspec.json.encode(failed))
            if not isinstance(error, Problem):
                traceback.print_exc()
        return failed.exit
    return Exit.DONE


def _train(seat: Seat) -> None:
    import torch

    quiet_libraries()
    store = together.find_store(seat.count, seat.port)
    store.set(arrival(seat.rank), "here")
    group = Together(seat.rank, seat.count, seat.port, store, seat.device)
    run_dir = Path(seat.run_dir)
    job = Job(
        run_dir=run_dir,
        session=load_session(RunDir(run_dir).session),
        model_dir=Path(seat.model_dir),
        attempt=seat.attempt,
        device=seat.device,
        emit=_say_nothing,
        orders=NoOrders(),
    )
    assert job.session.plan is not None
    trainer = build_trainer(
        job,
        method_of(job.session.plan.method.value),
        run_dir / "checkpoints",
        resuming=seat.resumed is not None,
        group=group,
    )
    (threads,) = group.told([0])
    torch.set_num_threads(threads)
    group.add_before(trainer)
    group.add_after(trainer)
    trainer.train(resume_from_checkpoint=seat.resumed)
    group.leave()


def _say_nothing(event: Event) -> None:
    """Events are rank 0's to write."""


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when rank 0 is gone: in a call to a GPU it would not
    notice. Elsewhere than on Linux the broken group ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(Exit.FAILED)


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of a broken group may never join.
    os._exit(code)
