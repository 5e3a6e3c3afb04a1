"""The optimizer's step over every trained parameter, on fakes of their shapes. Worker only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from tunewright.engine.trace.kernels import stand_ins
from tunewright.engine.trace.log import Block
from tunewright.engine.trace.record import Recorder
from tunewright.engine.trace.setup import TraceSetup
from tunewright.hardware.errors import Problem


class Update:
    """What clipping and the optimizer did, the first time (states are made) and after it.

    `gradients`: storage id → parameter name, for the gradients that `zero_grad` frees.
    """

    def __init__(self, first: list[Block], again: list[Block], gradients: dict[int, str]) -> None:
        self.first = first
        self.again = again
        self.gradients = gradients


def run_updates(shapes: dict[str, tuple[Any, Any]], setup: TraceSetup) -> Update:
    """Two updates of parameters given as name → (shape, dtype), through the real optimizer."""
    parameters = {
        name: torch.nn.Parameter(torch.empty(shape, dtype=dtype))
        for name, (shape, dtype) in shapes.items()
    }
    recorder = Recorder(stand_ins())
    recorder.enter("given")
    for name, parameter in parameters.items():
        recorder.add(parameter, name)
    with recorder, recorder.of("optimizer"):
        recorder.enter("optimizer")
        optimizer = _optimizer(list(parameters.values()), setup, recorder)
    made = recorder.blocks[-1]
    gradients: dict[int, str] = {}
    halves: list[list[Block]] = []
    for _ in range(2):
        recorder.enter("given")
        for name, parameter in parameters.items():
            parameter.grad = torch.empty_like(parameter)
            recorder.add(parameter.grad, name)
            id = recorder.id_of(parameter.grad)
            assert id is not None
            gradients[id] = name
        seen = len(recorder.blocks)
        with recorder, recorder.of("optimizer"):
            recorder.enter("clip")
            if setup.clip:
                torch.nn.utils.clip_grad_norm_(
                    list(parameters.values()), 1.0, foreach=setup.device == "cuda" or None
                )
            recorder.enter("optimizer")
            optimizer.step()
            optimizer.zero_grad()
            del parameter
        halves.append([block for block in recorder.blocks[seen:] if block.events])
    return Update([made, *halves[0]], halves[1], gradients)


def _optimizer(parameters: list[Any], setup: TraceSetup, recorder: Recorder) -> Any:
    """The optimizer that the Trainer would make, on CUDA with the paths it takes there."""
    from transformers import Trainer, TrainingArguments

    try:
        arguments = TrainingArguments(
            output_dir="unused", optim=setup.optimizer, use_cpu=True, report_to="none"
        )
        kind, settings = Trainer.get_optimizer_cls_and_kwargs(arguments)
    except (ValueError, ImportError) as error:
        raise Problem(
            f"the optimizer {setup.optimizer!r} cannot be traced",
            why=str(error).splitlines()[0],
            cure="take adamw_torch_fused, or another that is installed",
        ) from error
    # No value of a fake can be asked for; the step number changes no size.
    for module in ("adam", "adamw", "adagrad", "rmsprop", "sgd"):
        found: Any = import_module(f"torch.optim.{module}")
        if hasattr(found, "_get_value"):
            found._get_value = lambda _: 1.0
    if setup.device == "cuda":
        import inspect

        takes = inspect.signature(kind).parameters
        if "foreach" in takes and not settings.get("fused"):
            settings["foreach"] = True
        _page_on_host(recorder)
    decayed = [p for p in parameters if p.ndim >= 2]
    others = [p for p in parameters if p.ndim < 2]
    groups = [{"params": group} for group in (decayed, others) if group]
    optimizer = kind(groups, **settings)
    if hasattr(optimizer, "name2qmap"):
        # bitsandbytes' tables of 256 8-bit values: computed on the host, kept on the device.
        optimizer.name2qmap = {name: torch.empty(256) for name in ("dynamic", "udynamic")}
    return optimizer


def _page_on_host(recorder: Recorder) -> None:
    """Paged states live in memory that CUDA moves to the host: outside of torch's allocator."""
    import bitsandbytes.optim.optimizer as optimizers

    def buffer(self: Any, p: Any, dtype: Any = torch.float32) -> Any:
        # The limit is bitsandbytes' own, in values.
        if not self.is_paged or p.numel() < 1e5:
            return torch.zeros_like(p, dtype=dtype)
        with recorder.elsewhere():
            return torch.empty(p.shape, dtype=dtype)

    optimizers.Optimizer8bit.get_state_buffer = buffer
    optimizers.sync_gpu = lambda *_: None
