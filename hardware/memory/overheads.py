"""What a process holds beside the tensors of a step: libraries, the CUDA context, unused blocks."""

from __future__ import annotations

from tunewright.hardware.memory.estimate import (
    MemoryEstimate,
    MemoryItem,
    Range,
    TrainingSetup,
)
from tunewright.hardware.memory.stacks import Stack
from tunewright.hardware.shapes import ModelShape

_MIB = 1 << 20
_GIB = 1 << 30

# (low, expected, high) of each.
# Resident size of a worker that has imported torch 2.13, transformers 5.23, trl 1.16, peft 0.21 and
# datasets 5.2 and trained a model of 0.1 million parameters: 510 and 539 MiB measured.
_CPU_LIBRARIES = (480 * _MIB, 530 * _MIB, 640 * _MIB)
# glibc keeps freed blocks below 32 MiB in its heap and maps larger ones apart: their peaks add up
# though they come at different times. The resident peaks of eight SFT runs (0.03 to 0.13 billion
# parameters) were 17 to 96 % of activations and loss above the tensors' own peak.
_CPU_SLACK = (0.1, 0.5, 1.0)
# CUDA context, kernels' code and cuBLAS workspace: 0.3 to 0.6 GiB beside torch's own allocations
# (NVML against torch.cuda.memory_reserved; the code that is loaded grows with the GPU generation).
_CUDA_CONTEXT = (int(0.3 * _GIB), int(0.45 * _GIB), int(0.6 * _GIB))
# All kernels of all libraries at once, which drivers before CUDA 11.7 did: "more than 1000 MB"
# (a maintainer in pytorch/pytorch#107667; #86509 made torch 1.13 load them as they are needed).
_CUDA_CONTEXT_OF_ALL = (int(0.45 * _GIB), int(1.1 * _GIB), int(1.6 * _GIB))
# NCCL's channels and buffers, where several devices work together (2.1 GiB non-torch at two devices
# against 0.25 at one was read off vLLM 0.19; training communicators are fewer).
_NCCL = (int(0.2 * _GIB), int(0.6 * _GIB), int(1.5 * _GIB))
# torch.cuda.memory_reserved above allocated: a few percent as a rule, up to 27 % measured.
_RESERVED = (0.0, 0.04, 0.15)
# What the counts leave out: position tables, small buffers, versions that save one tensor more.
# (low, high) around the expected value; the safe bound takes the second.
_COUNT = (0.06, 0.06)
_COUNT_SAFE = 0.15
# More where the family is not known and its layers were taken for a plain decoder's.
_UNKNOWN_FAMILY = 0.2

_STATIC = {"weights", "adapters", "optimizer", "other-models"}
# What comes in another size when rows have another length. Score matrices do too, but each is far
# larger than all else, and rows of one length were measured without slack.
_BY_LENGTH = {"activations", "loss"}


def with_overheads(
    shape: ModelShape,
    setup: TrainingSetup,
    stack: Stack,
    items: list[MemoryItem],
    host_bytes: int = 0,
    stranded: int = 0,
) -> MemoryEstimate:
    """The estimate of a step whose tensors are `items`: their sum, the process around them, the
    range, and a safe bound at the high end of everything. `stranded`: bytes of freed blocks whose
    kind the tensors of the peak cannot use."""
    if setup.device == "cpu":
        return _on_cpu(shape, setup, items)
    return _on_cuda(shape, setup, stack, items, host_bytes, stranded)


def _on_cuda(
    shape: ModelShape,
    setup: TrainingSetup,
    stack: Stack,
    items: list[MemoryItem],
    host_bytes: int,
    stranded: int,
) -> MemoryEstimate:
    tensors = sum(item.bytes for item in items)
    loose = sum(item.bytes for item in items if item.id in _BY_LENGTH)
    share = 0.0 if setup.even_rows else stack.reserved_loose
    holes, load_holes = stranded + int(share * loose), 0
    if setup.weights == "nf4":
        load_holes = int(stack.quantise_on_load_holes * items[0].bytes)
    holes += load_holes
    fragments = MemoryItem(
        "fragmentation",
        holes,
        f"freed blocks that torch keeps: {share:.0%} of what comes and goes in a step as a rule, "
        f"since rows differ in length; {stranded:,} bytes of sizes that nothing at the peak can use"
        + ("; holes that quantising while loading leaves" if load_holes else ""),
    )
    fixed = _CUDA_CONTEXT_OF_ALL if stack.loads_all_kernels else _CUDA_CONTEXT
    context = MemoryItem(
        "context",
        fixed[1],
        f"CUDA context, kernels and cuBLAS workspace: {fixed[0] / _GIB:.1f} to "
        f"{fixed[2] / _GIB:.1f} GiB",
    )
    around = [fragments, context]
    if setup.devices > 1:
        around.append(
            MemoryItem("communication", _NCCL[1], "NCCL's channels and buffers: 0.2 to 1.5 GiB")
        )
        fixed = tuple(a + b for a, b in zip(fixed, _NCCL, strict=True))  # type: ignore[assignment]
    expected = tensors + fragments.bytes
    doubt = _UNKNOWN_FAMILY if shape.approximate else 0.0
    allocated = Range(
        tensors,
        int(tensors * (1 - _COUNT[0] - doubt)),
        int(tensors * (1 + _COUNT[1] + doubt)),
        int(tensors * (1 + _COUNT_SAFE + doubt)),
    )
    reserved = Range(
        expected,
        int(allocated.low_bytes * (1 + _RESERVED[0])),
        int(allocated.high_bytes * (1 + _RESERVED[2])) + holes,
        int(max(allocated.safe_bytes, tensors) * (1 + _RESERVED[2] / 2)) + holes,
    )
    whole = (*items, *around)
    high = reserved.high_bytes + fixed[2]
    return MemoryEstimate(
        items=whole,
        expected_bytes=sum(item.bytes for item in whole),
        low_bytes=reserved.low_bytes + fixed[0],
        high_bytes=high,
        safe_bytes=max(high, reserved.safe_bytes + fixed[2]),
        assumptions=(
            *_assumptions(setup, stack, f"{_RESERVED[2]:.0%} unused blocks"),
            *_unknown(shape),
        ),
        allocated=allocated,
        reserved=reserved,
        host_bytes=host_bytes,
    )


def _on_cpu(shape: ModelShape, setup: TrainingSetup, items: list[MemoryItem]) -> MemoryEstimate:
    tensors = sum(item.bytes for item in items)
    doubt = 0.03 + (_UNKNOWN_FAMILY if shape.approximate else 0.0)
    # What is allocated once and stays leaves no holes.
    loose = sum(item.bytes for item in items if item.id not in _STATIC)
    of = "of what comes and goes in a step"
    spread = f"{_CPU_SLACK[1]:.0%} {of} as a rule, {_CPU_SLACK[0]:.0%} to {_CPU_SLACK[2]:.0%}"
    whole = (
        *items,
        MemoryItem(
            "libraries",
            _CPU_LIBRARIES[1],
            "Python with torch, transformers, trl and peft imported: measured",
        ),
        MemoryItem(
            "fragmentation", int(loose * _CPU_SLACK[1]), f"freed blocks not given back: {spread}"
        ),
    )
    low = _CPU_LIBRARIES[0] + int(tensors * (1 - doubt) + loose * _CPU_SLACK[0])
    high = _CPU_LIBRARIES[2] + int(tensors * (1 + doubt) + loose * _CPU_SLACK[2])
    return MemoryEstimate(
        items=whole,
        expected_bytes=sum(item.bytes for item in whole),
        low_bytes=low,
        high_bytes=high,
        safe_bytes=high,
        assumptions=(
            *_assumptions(setup, None, f"{_CPU_SLACK[2]:.0%} unused blocks ({of})"),
            *_unknown(shape),
        ),
    )


def _unknown(shape: ModelShape) -> tuple[str, ...]:
    if not shape.approximate:
        return ()
    return (
        f"{shape.model_type!r} is no family that is known: sized as a plain decoder, in a range "
        f"wider by {_UNKNOWN_FAMILY:.0%} on each side",
    )


def _assumptions(setup: TrainingSetup, stack: Stack | None, slack: str) -> tuple[str, ...]:
    said = [
        f"{setup.micro_batch} {'row' if setup.micro_batch == 1 else 'rows'} of "
        f"{setup.seq_len:,} tokens, as long as the longest",
        f"the safe bound takes every uncertain term at its high end: {slack}, and tensors that "
        "were not counted",
    ]
    if stack is not None:
        said += [
            "the peak is the GPU memory of the process as nvidia-smi shows it",
            f"the tensors are those of {stack.said}",
        ]
        if setup.attention != "eager":
            said.append("attention without a score matrix (flash or memory-efficient)")
    else:
        said.append("the peak is the resident size of the training process")
    if setup.micro_batch > 1 and not setup.packed:
        said.append("rows differ in length, so attention has a mask and full-width keys and values")
    return tuple(said)
