"""Running the training step on fakes: forward, loss and backward of a model, under a recorder."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

import torch

from tunewright.engine.trace import preference, replicate
from tunewright.engine.trace.build import fake
from tunewright.engine.trace.kernels import FusedLinearCrossEntropy, stand_ins
from tunewright.engine.trace.log import Family, Trace
from tunewright.engine.trace.record import Recorder
from tunewright.engine.trace.setup import CHECKPOINTING, TraceSetup
from tunewright.engine.trace.shard import gloo_stand_ins, local, shard, watch_units

# cuBLAS's workspace, which torch takes from the caching allocator: 4096 KiB x 2 + 16 KiB x 8
# (aten/src/ATen/cuda/CublasHandlePool.cpp; 32 MiB from compute capability 9.0 on).
CUBLAS_WORKSPACE = (4096 * 2 + 16 * 8) << 10


def layer_list(model: Any) -> tuple[str, Any]:
    """(name, ModuleList) of the decoder's layers: the longest list of modules that hold weights."""
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList)
    ]
    return max(lists, key=lambda found: len(found[1]), default=("", torch.nn.ModuleList()))


def run_step(model: Any, setup: TraceSetup, reference: Any = None) -> Trace:
    """Trace weights, forward and backward of one micro-batch (two, when gradients accumulate).

    `reference`: DPO's frozen copy, where it has one.
    """
    cuda = setup.device == "cuda"
    recorder = Recorder(stand_ins() if cuda else stand_ins() | gloo_stand_ins())
    prefix, layers = layer_list(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    _prepare(model, reference, setup)
    placed = fake(model)
    if setup.sharding == "fsdp":
        shard(model, layers, setup)
        watch_units(recorder)
        placed = [(name, local(p)) for name, p in model.named_parameters()]
        placed += list(model.named_buffers())
    model.train()
    _place(recorder, placed, trained, prefix, setup)
    recorder.watch_modules(model)
    recorder.watch_layers(layers)
    if reference is not None:
        _place_reference(recorder, reference, prefix, setup)
    run = partial(_loss, setup=setup)
    if setup.trainer == "dpo":
        preference.watch(recorder, model, setup)
        run = partial(_preferred, preference.trainer(model, reference), setup=setup)
    wrapped = model
    if setup.sharding == "ddp":
        wrapped = replicate.replicate(model, setup, recorder)
    parameters = dict(model.named_parameters())
    with recorder:
        if cuda:
            recorder.enter("start")
            with recorder.of("workspace"):
                workspace = torch.empty(CUBLAS_WORKSPACE, dtype=torch.uint8)
        for suffix in ("", "_more") if setup.gradient_accumulation else ("",):
            recorder.enter(f"forward{suffix}")
            # Of micro-batches that accumulate, DDP reduces the last alone.
            waits = setup.sharding == "ddp" and setup.gradient_accumulation and not suffix
            with wrapped.no_sync() if waits else contextlib.nullcontext():
                loss, output = run(wrapped)
                recorder.enter(f"backward{suffix}")
                loss.backward()
            gradients = {
                name: recorder.id_of(local(parameter.grad))
                for name, parameter in parameters.items()
                if parameter.grad is not None
            }
            recorder.enter(f"end{suffix}")
            del loss, output
            recorder.family = "activations"
    trace = recorder.trace({n: id for n, id in gradients.items() if id is not None})
    if cuda:
        del workspace
    return trace


def _prepare(model: Any, reference: Any, setup: TraceSetup) -> None:
    from trl.trainer.utils import add_fused_lm_head

    if setup.gradient_checkpointing:
        if setup.trainable == "adapter":
            model.enable_input_require_grads()
        model.activation_checkpointing_enable(CHECKPOINTING)
    if setup.trainer == "dpo":
        preference.prepare(model, reference)
    elif setup.loss == "chunked":
        base = model.get_base_model() if setup.trainable == "adapter" else model
        add_fused_lm_head(base, outputs=("log_probs", "entropy", "is_top1"))


def _place(
    recorder: Recorder, placed: list[tuple[str, Any]], trained: set[str], prefix: str, setup: Any
) -> None:
    layer: int | None = None
    recorder.enter("weights")
    for name, tensor in placed:
        found = layer_of(name, prefix)
        if found != layer:
            recorder.enter("weights", layer := found)
        adapter = setup.trainable == "adapter" and name in trained
        family: Family = "adapters" if adapter else "weights"
        with recorder.of(family):
            recorder.add(tensor, name)


def _place_reference(recorder: Recorder, reference: Any, prefix: str, setup: TraceSetup) -> None:
    placed = [(f"reference.{name}", tensor) for name, tensor in fake(reference)]
    reference.eval()
    _place(recorder, placed, set(), f"reference.{prefix}", setup)
    recorder.watch_modules(reference, "reference")
    recorder.watch_layers(layer_list(reference)[1])
    preference.watch(recorder, reference, setup)


def _preferred(trainer: Any, model: Any, setup: TraceSetup) -> tuple[Any, Any]:
    with _autocast(setup):
        return preference.loss(trainer, model, setup), None


def layer_of(name: str, prefix: str) -> int | None:
    """The layer that a parameter named below `prefix` belongs to."""
    if not prefix or not name.startswith(prefix + "."):
        return None
    return int(name[len(prefix) + 1 :].partition(".")[0])


def _loss(model: Any, setup: TraceSetup) -> tuple[Any, Any]:
    """(loss, outputs that the caller still holds) of one micro-batch."""
    rows, length = setup.micro_batch, setup.seq_len
    if setup.packed:
        rows, length = 1, rows * length
    ids = torch.zeros(rows, length, dtype=torch.long)
    labels = torch.zeros(rows, length, dtype=torch.long)
    inputs: dict[str, Any] = {"input_ids": ids, "use_cache": False}
    if setup.packed and setup.has_mask:
        inputs["position_ids"] = torch.zeros(rows, length, dtype=torch.long)
    elif setup.has_mask:
        inputs["attention_mask"] = torch.ones(rows, length, dtype=torch.long)
    with _autocast(setup):
        if setup.loss == "plain":
            output = model(labels=labels, **inputs)
            return output.loss, (output if setup.holds_output else None)
        if setup.loss == "chunked":
            output = model(labels=labels, fused_lm_head=True, **inputs)
            return (-output.log_probs).sum() / output.label_mask.sum().clamp(min=1), None
        return _fused(model, inputs, setup), None


def _fused(model: Any, inputs: dict[str, Any], setup: TraceSetup) -> Any:
    base = model.get_base_model() if setup.trainable == "adapter" else model
    hidden = base.base_model(**inputs).last_hidden_state[:, :-1]
    hidden = hidden.reshape(-1, hidden.shape[-1])
    return FusedLinearCrossEntropy.apply(hidden, base.get_output_embeddings().weight)


def _autocast(setup: TraceSetup) -> Any:
    if setup.autocast is None:
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=getattr(torch, setup.autocast))
