"""Which build of torch suits this machine's driver and GPUs, and pip's arguments to get it.

`python -m tunewright.hardware.torch_build` prints those arguments (nothing, or
`--extra-index-url URL`) to stdout and the reason to stderr. It needs the light install only:

    pip install $(python -m tunewright.hardware.torch_build) 'tunewright[train]'

The index is given as an extra one, since transformers, trl and the rest are on PyPI only. pip pools
the candidates of all indexes and takes the highest version; both have the same torch release, and
by PEP 440 a local version sorts above its public one: 2.13.0+cu126 > 2.13.0. So torch comes from
the extra index and everything else from PyPI. A pin such as torch>=2.13,<2.14 or ==2.13.0 accepts
the local version too.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tunewright.hardware.snapshot import Trouble

_INDEX = "https://download.pytorch.org/whl/"

Capability = tuple[int, int]


class _Build(msgspec.Struct, frozen=True):
    """A CUDA build of torch: what driver it needs, and the GPUs that it has code for."""

    tag: str
    driver_cuda: Capability
    oldest: Capability
    newest: Capability


# torch 2.13, from "PyTorch CUDA Support Matrix" in pytorch/pytorch's RELEASE.md. A driver runs any
# build of its own CUDA major version (NVIDIA's minor version compatibility) and of older ones. The
# first is what PyPI serves on Linux.
_X86 = (
    _Build("cu130", (13, 0), (7, 5), (12, 99)),
    _Build("cu126", (12, 0), (5, 0), (9, 99)),
)
_ARM = (
    _Build("cu130", (13, 0), (8, 0), (12, 99)),
    _Build("cu126", (12, 0), (8, 0), (9, 99)),
)


class TorchBuild(msgspec.Struct, frozen=True):
    """`index_url` to add to pip's, or None for what PyPI serves. `trouble`: no build suits."""

    index_url: str | None
    because: str
    trouble: Trouble | None = None


def torch_build(
    cuda_version: tuple[int, int] | None,
    compute_capabilities: Sequence[tuple[int, int] | None],
    machine: str,
    system: str,
) -> TorchBuild:
    """The build for a driver that runs CUDA up to `cuda_version` and GPUs of these capabilities
    (None: unknown). `machine` and `system` as `platform.machine()` and `platform.system()`."""
    if system == "Darwin":
        return TorchBuild(None, "macOS has one build of torch, the one on PyPI")
    if not compute_capabilities:
        return TorchBuild(
            None,
            "no NVIDIA GPU: the default build; one without CUDA saves several GB "
            f"(--extra-index-url {_INDEX}cpu)",
        )
    if cuda_version is None:
        return TorchBuild(None, "the driver does not say which CUDA it runs: the default build")
    driver = f"CUDA {cuda_version[0]}.{cuda_version[1]}"
    known = [capability for capability in compute_capabilities if capability is not None]
    for build in _ARM if machine in ("aarch64", "arm64") else _X86:
        if cuda_version < build.driver_cuda or not all(
            build.oldest <= capability <= build.newest for capability in known
        ):
            continue
        on_pypi = build.tag == "cu130" and system == "Linux"
        return TorchBuild(
            None if on_pypi else _INDEX + build.tag,
            f"the driver runs {driver} and {_named(known)} {'is' if len(known) == 1 else 'are'} in "
            f"the {build.tag} build" + (", which is the one on PyPI" if on_pypi else ""),
        )
    return TorchBuild(
        None, "no build of torch suits this machine", _no_build(cuda_version, driver, known)
    )


def _no_build(cuda_version: tuple[int, int], driver: str, known: list[Capability]) -> Trouble:
    what = "No build of torch 2.13 runs on these GPUs as they are"
    if cuda_version < (13, 0):
        return Trouble(
            what=what,
            why=f"the driver runs CUDA up to {driver.removeprefix('CUDA ')}, and no build for it "
            f"has code for {_named(known)}",
            cure="update the NVIDIA driver to 580 or newer (CUDA 13)",
        )
    return Trouble(
        what=what,
        why=f"no one build has code for {_named(known)}: what is older than 7.5 was dropped from "
        "CUDA 13, and what is newer than 9.0 is not in CUDA 12.6",
        cure="set CUDA_VISIBLE_DEVICES to GPUs of one generation, and install again",
    )


def _named(capabilities: list[Capability]) -> str:
    if not capabilities:
        return "GPUs of unknown compute capability"
    text = ", ".join(f"{major}.{minor}" for major, minor in sorted(set(capabilities)))
    return f"compute capability {text}"


def main() -> None:
    """Print pip's arguments to stdout and the reason to stderr."""
    import platform
    import sys

    from tunewright.hardware.nvml import read_gpus

    reading = read_gpus()
    build = torch_build(
        reading.cuda_version,
        [gpu.compute_capability for gpu in reading.gpus],
        platform.machine(),
        platform.system(),
    )
    if build.index_url is not None:
        print(f"--extra-index-url {build.index_url}")
    print(f"torch: {build.because}", file=sys.stderr)
    for trouble in (reading.trouble, build.trouble):
        if trouble is not None:
            print(f"{trouble.what}: {trouble.why}\n  {trouble.cure}", file=sys.stderr)


if __name__ == "__main__":
    main()
