"""FSDP2 on one rank of many that are not there: real `fully_shard` over a fake process group.

torch's "fake" backend answers every collective at once. What FSDP allocates for them is real: the
gathered unit, the one prefetched next, reduce-scatter inputs. Worker only.
"""

from __future__ import annotations

from typing import Any

import torch

from tunewright.engine.trace.record import Recorder
from tunewright.engine.trace.setup import TraceSetup


def join(devices: int) -> None:
    """Make this process the first rank of a group of `devices`, in place of any it was in."""
    import torch.distributed as distributed
    from torch._subclasses.fake_tensor import unset_fake_temporarily
    from torch.testing._internal.distributed.fake_pg import FakeStore

    with unset_fake_temporarily():
        if distributed.is_initialized():
            distributed.destroy_process_group()
        distributed.init_process_group("fake", rank=0, world_size=devices, store=FakeStore())


def shard(model: Any, layers: Any, setup: TraceSetup) -> None:
    """Shard `model`, whose parameters are fakes, as accelerate does: each decoder layer is a unit,
    the rest another; trained parameters in float32 under mixed precision."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    join(setup.devices)
    # The ranks of a mesh are read from a tensor, which must not be a fake.
    with unset_fake_temporarily():
        mesh = init_device_mesh("cpu", (setup.devices,))
    policy = MixedPrecisionPolicy()
    if setup.autocast is not None:
        half = getattr(torch, setup.autocast)
        policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=half, output_dtype=half)
        for module in model.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None and parameter.requires_grad:
                    module._parameters[name] = _in_float32(parameter)
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def _in_float32(parameter: Any) -> Any:
    if parameter.dtype != torch.float32:
        # In place, so that tied parameters stay tied.
        parameter.data = parameter.data.float()
    return parameter


def local(tensor: Any) -> Any:
    """The part of a tensor that this rank holds."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def watch_units(recorder: Recorder) -> None:
    """Log what FSDP frees and takes again by resizing storages, which no operation shows, and say
    what its buffers are for."""
    from torch.distributed.fsdp._fully_shard import _fsdp_param, _fsdp_param_group

    take, give_back = _fsdp_param.alloc_storage, _fsdp_param.free_storage

    def alloc_storage(tensor: Any) -> None:
        take(tensor)
        recorder.add(tensor, "gathered unit")

    def free_storage(tensor: Any) -> None:
        recorder.forget(tensor)
        give_back(tensor)

    _fsdp_param.alloc_storage = _fsdp_param_group.alloc_storage = alloc_storage
    _fsdp_param.free_storage = free_storage
    group = _fsdp_param_group.FSDPParamGroup
    for name, family in _FAMILIES.items():
        setattr(group, name, _told(getattr(group, name), recorder, family))


_FAMILIES: dict[str, Any] = {
    "unshard": "weights",
    "wait_for_unshard": "weights",
    "post_backward": "gradients",
}


def gloo_stand_ins() -> dict[Any, Any]:
    """On CPUs the collectives are gloo's, which copies what it reduces and scatters and gathers
    into a flat tensor first (torch/csrc/distributed/c10d/ProcessGroupGloo.cpp); NCCL does not."""

    def copies(output: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        larger = max(output, inputs, key=torch.numel)
        torch.empty_like(larger)
        return NotImplemented

    return dict.fromkeys(
        (torch.ops.c10d._reduce_scatter_base_.default, torch.ops.c10d._allgather_base_.default),
        copies,
    )


def _told(method: Any, recorder: Recorder, family: Any) -> Any:
    def told(*args: Any, **kwargs: Any) -> Any:
        with recorder.of(family):
            return method(*args, **kwargs)

    return told
