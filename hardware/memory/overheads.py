"""What a process holds beside the tensors of a step: libraries, the CUDA context, unused blocks."""

from __future__ import annotations

from tunewright.hardware.memory.estimate import MemoryEstimate, MemoryItem, TrainingSetup

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
# torch.cuda.memory_reserved against allocated: a few percent as a rule, and up to 27 % measured.
_CUDA_FRAGMENTATION = (0.0, 0.05, 0.27)
# What the counts leave out: position tables, small buffers, versions that save one tensor more.
_COUNT_ERROR = 0.03
# Published 4-bit runs (litgpt, bitsandbytes 0.41 to 0.43) were up to 43 % above the count, and the
# reason is not known: until it is, the safe bound covers them.
_CUDA_NF4_HIGH = 0.45

_STATIC = {"weights", "adapters", "optimizer"}


def with_overheads(setup: TrainingSetup, items: list[MemoryItem]) -> MemoryEstimate:
    """The estimate of a step whose tensors are `items`: their sum, the process around them, the
    range, and a safe bound at the high end of everything."""
    tensors = sum(item.bytes for item in items)
    if setup.device == "cuda":
        fixed, slack, loose = _CUDA_CONTEXT, _CUDA_FRAGMENTATION, tensors
        context = MemoryItem(
            "context", fixed[1], "CUDA context, kernels and cuBLAS workspace: 0.3 to 0.6 GiB"
        )
        of = "of the tensors"
        if setup.weights == "nf4":
            slack = (slack[0], slack[1], _CUDA_NF4_HIGH)
    else:
        fixed, slack = _CPU_LIBRARIES, _CPU_SLACK
        # What is allocated once and stays leaves no holes.
        loose = sum(item.bytes for item in items if item.id not in _STATIC)
        context = MemoryItem(
            "libraries",
            fixed[1],
            "Python with torch, transformers, trl and peft imported: measured",
        )
        of = "of what comes and goes in a step"
    spread = f"{slack[1]:.0%} {of} as a rule, {slack[0]:.0%} to {slack[2]:.0%}"
    whole = (
        *items,
        context,
        MemoryItem(
            "fragmentation", int(loose * slack[1]), f"freed blocks not given back: {spread}"
        ),
    )
    low = fixed[0] + int(tensors * (1 - _COUNT_ERROR) + loose * slack[0])
    high = fixed[2] + int(tensors * (1 + _COUNT_ERROR) + loose * slack[2])
    return MemoryEstimate(
        items=whole,
        expected_bytes=sum(item.bytes for item in whole),
        low_bytes=low,
        high_bytes=high,
        safe_bytes=high,
        assumptions=_assumptions(setup, slack[2], of),
    )


def _assumptions(setup: TrainingSetup, slack: float, of: str) -> tuple[str, ...]:
    said = [
        f"{setup.micro_batch} rows of {setup.seq_len} tokens, all as long as the longest",
        f"the safe bound takes every uncertain term at its high end: {slack:.0%} unused blocks "
        f"({of}), {_COUNT_ERROR:.0%} tensors that were not counted",
    ]
    if setup.device == "cuda":
        said += [
            "the peak is the GPU memory of the process as NVML shows it",
            "attention without a score matrix (flash or memory-efficient), 16-bit autocast",
        ]
        if setup.weights == "nf4":
            said.append("the published 4-bit runs that are above the count set the safe bound")
    else:
        said.append("the peak is the resident size of the training process")
    if setup.micro_batch > 1 and not setup.packed:
        said.append("rows differ in length, so attention has a mask and full-width keys and values")
    return tuple(said)
