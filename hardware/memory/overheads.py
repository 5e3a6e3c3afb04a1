"""What a process holds beside the tensors of a step: libraries, the CUDA context, unused blocks."""

from __future__ import annotations

from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem, TrainingSetup

_MIB = 1 << 20
_GIB = 1 << 30

# Resident size of a worker that has imported torch 2.13, transformers 5.23, trl 1.16, peft 0.21 and
# datasets 5.2 and trained a model of 0.1 million parameters: 539 MiB measured.
_CPU_LIBRARIES = (480 * _MIB, 530 * _MIB, 640 * _MIB)
# glibc keeps freed blocks, and the model is read beside its place for a moment.
_CPU_SLACK = (0.0, 0.05, 0.25)
# CUDA context, kernels' code and cuBLAS workspace: 0.3 to 0.6 GiB beside torch's own allocations
# (NVML against torch.cuda.memory_reserved; the code that is loaded grows with the GPU generation).
_CUDA_CONTEXT = (int(0.3 * _GIB), int(0.45 * _GIB), int(0.6 * _GIB))
# torch.cuda.memory_reserved against allocated: a few percent as a rule, and up to 27 % measured.
_CUDA_FRAGMENTATION = (0.0, 0.05, 0.27)
# What the counts leave out: position tables, small buffers, versions that save one tensor more.
_COUNT_ERROR = 0.03


def with_overheads(setup: TrainingSetup, items: list[MemoryItem]) -> MemoryEstimate:
    """The estimate of a step whose tensors are `items`: their sum, the process around them, the
    range, and a safe bound at the high end of everything."""
    tensors = sum(item.bytes for item in items)
    cuda = setup.device == "cuda"
    fixed = _CUDA_CONTEXT if cuda else _CPU_LIBRARIES
    slack = _CUDA_FRAGMENTATION if cuda else _CPU_SLACK
    whole = (
        *items,
        MemoryItem(
            "context" if cuda else "libraries",
            fixed[1],
            "CUDA context, kernels and cuBLAS workspace: 0.3 to 0.6 GiB"
            if cuda
            else "a worker with the training stack imported: measured",
        ),
        MemoryItem(
            "fragmentation",
            int(tensors * slack[1]),
            f"blocks that are reserved and unused: {slack[1]:.0%} of the tensors as a rule, up to "
            f"{slack[2]:.0%}",
        ),
    )
    low = fixed[0] + int(tensors * (1 - _COUNT_ERROR + slack[0]))
    high = fixed[2] + int(tensors * (1 + _COUNT_ERROR + slack[2]))
    return MemoryEstimate(
        items=whole,
        expected_bytes=sum(item.bytes for item in whole),
        low_bytes=low,
        high_bytes=high,
        safe_bytes=high,
        assumptions=(
            f"{setup.micro_batch} rows of {setup.seq_len} tokens, all as long as the longest",
            "the peak is the "
            + ("GPU memory of the process as NVML shows it" if cuda else "resident size"),
            "the safe bound takes every uncertain term at its high end: "
            f"{slack[2]:.0%} unused blocks, {_COUNT_ERROR:.0%} tensors that were not counted",
            *(("not checked on a GPU here",) if cuda else ()),
        ),
    )
