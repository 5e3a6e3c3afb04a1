"""The process group of a training on several devices: meeting, being of one mind, leaving.

Each process is a rank with a copy of the model; transformers' Trainer, through accelerate, shares
the rows and averages the gradients (DDP). What it leaves to each rank is decided by rank 0 here:
when to save, to evaluate and to stop. Imports torch inside its functions.
"""

from __future__ import annotations

import datetime
import os
import socket
import sys
from typing import Any

from tunewright.engine.plan import DEVICES, Plan
from tunewright.hardware.errors import Exit, Problem

# In which all have to meet: importing the training stack takes 15 s, minutes from a cold disk.
START_SECONDS = 600.0
# A collective call that takes longer has lost somebody. While rank 0 writes a large checkpoint the
# others are in one.
_CALL = datetime.timedelta(hours=2)
# What ranks wait for between two steps may be the end of a pause.
_ANY_TIME = datetime.timedelta(days=3650)
_FLAGS = (
    "should_save",
    "should_evaluate",
    "should_log",
    "should_training_stop",
    "should_epoch_stop",
)


def processes(plan: Plan) -> int:
    """How many processes train together: one on each planned device."""
    decision = plan.settings.get(DEVICES)
    return 1 if decision is None else int(decision.value)


def open_store(count: int) -> tuple[Any, int]:
    """Rank 0's store, where the others find it, and its port. It listens on the loopback alone:
    torch's own socket would be open to the network."""
    from torch.distributed import TCPStore

    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    store = TCPStore(
        "127.0.0.1",
        port,
        count,
        is_master=True,
        wait_for_workers=False,
        master_listen_fd=listening.detach(),
    )
    return store, port


def find_store(count: int, port: int) -> Any:
    """Another rank's end of it."""
    from torch.distributed import TCPStore

    return TCPStore("127.0.0.1", port, count, timeout=datetime.timedelta(seconds=START_SECONDS))


class Together:
    """This process's place among `count`, from the first sum of all ranks to `leave`.

    Sets what torchrun would (RANK, LOCAL_RANK, WORLD_SIZE, …), since accelerate reads it. A
    `Problem` when the ranks are there and cannot reach each other.
    """

    def __init__(self, rank: int, count: int, port: int, store: Any, device: str) -> None:
        import torch
        from torch import distributed

        self.rank, self.count = rank, count
        self._threads = torch.get_num_threads()
        share = max(1, self._threads // count) if rank == 0 else self._threads
        torch.set_num_threads(share)
        place = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(share)),
        }
        if sys.platform == "linux":
            place["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
        self._before = {name: os.environ.get(name) for name in place}
        os.environ.update(place)
        if device == "cuda":
            torch.cuda.set_device(rank)
        try:
            distributed.init_process_group(
                "nccl" if device == "cuda" else "gloo",
                store=store,
                rank=rank,
                world_size=count,
                timeout=_CALL,
            )
            # Of its own, on the CPU: asking a GPU would hold it up at every step.
            self._control = distributed.new_group(backend="gloo", timeout=_ANY_TIME)
            _try_sum(count, device)
        except RuntimeError as error:
            raise Problem(
                f"the {count} processes cannot reach each other",
                why=str(error).splitlines()[0],
                cure="engine.log may hold more, with NCCL_DEBUG=INFO set; NCCL_P2P_DISABLE=1 "
                "avoids direct access between GPUs; or train on one device",
                exit=Exit.FAILED,
            ) from error

    def told(self, values: list[int]) -> list[int]:
        """The whole numbers that rank 0 gave; all ranks call with as many."""
        import torch
        from torch import distributed

        shared = torch.tensor(values, dtype=torch.int64)
        distributed.broadcast(shared, src=0, group=self._control)
        return [int(value) for value in shared.tolist()]

    def add_before(self, trainer: Any) -> None:
        """Have all ranks' files of a checkpoint written before a callback added later seals it."""
        from torch import distributed
        from transformers import TrainerCallback

        control_group = self._control

        class Gate(TrainerCallback):  # type: ignore[misc]
            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                distributed.barrier(group=control_group)

        trainer.add_callback(Gate())

    def add_after(self, trainer: Any) -> None:
        """Have all ranks do what rank 0's callbacks, added earlier, have decided; a pause of rank 0
        holds the others here."""
        from transformers import TrainerCallback

        told = self.told

        class Follow(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                for name, value in zip(
                    _FLAGS, told([int(getattr(control, name)) for name in _FLAGS]), strict=True
                ):
                    setattr(control, name, bool(value))

            # A loss that is no number takes back a checkpoint.
            on_log = on_step_end

        trainer.add_callback(Follow())

    def leave(self) -> None:
        """End the group; all ranks call it."""
        from torch import distributed

        distributed.barrier(group=self._control)
        distributed.destroy_process_group()

    def forget(self) -> None:
        """Let the rest of this process be one of one again."""
        import torch
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        torch.set_num_threads(self._threads)


def _try_sum(count: int, device: str) -> None:
    import torch
    from torch import distributed

    ones = torch.ones(1, device=device)
    work = distributed.all_reduce(ones, async_op=True)
    work.wait(datetime.timedelta(seconds=START_SECONDS))
    if ones.item() != count:
        raise RuntimeError(f"the sum of a one from each of {count} ranks is {ones.item():g}")
