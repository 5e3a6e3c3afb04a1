"""What this process was given of a machine: a container, a Slurm job, memory nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tunewright.hardware.snapshot import NumaNode, Slurm

_MIB = 1 << 20
_KIB = 1 << 10


def container(environ: Mapping[str, str], root: Path = Path("/")) -> str | None:
    """The kind of container this runs in: "docker", "podman", "kubernetes", "apptainer", "WSL", or
    what the environment calls it; None outside of one, as far as can be told."""
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "kubernetes"
    if "APPTAINER_CONTAINER" in environ or "SINGULARITY_CONTAINER" in environ:
        return "apptainer"
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    # systemd's convention, which LXC, nspawn and others follow.
    if environ.get("container"):
        return environ["container"]
    groups = _text(root / "proc/1/cgroup") or ""
    for mark, kind in (("kubepods", "kubernetes"), ("docker", "docker"), ("lxc", "lxc")):
        if mark in groups:
            return kind
    release = (_text(root / "proc/sys/kernel/osrelease") or "").lower()
    return "WSL" if "microsoft" in release else None


def slurm(environ: Mapping[str, str]) -> Slurm | None:
    """The Slurm allocation around this process (sbatch(1), "OUTPUT ENVIRONMENT VARIABLES")."""
    job = environ.get("SLURM_JOB_ID") or environ.get("SLURM_JOBID")
    if not job:
        return None

    def number(*names: str) -> int | None:
        for name in names:
            if environ.get(name, "").isdigit():
                return int(environ[name])
        return None

    memory = number("SLURM_MEM_PER_NODE")
    ends = number("SLURM_JOB_END_TIME")
    gpus = ("SLURM_GPUS_ON_NODE", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
    return Slurm(
        job_id=job,
        nodes=number("SLURM_JOB_NUM_NODES", "SLURM_NNODES"),
        cpus_on_node=number("SLURM_CPUS_ON_NODE"),
        gpus_on_node=next((environ[name] for name in gpus if environ.get(name)), None),
        # 0 is Slurm's word for all of the node's memory.
        memory_per_node_bytes=memory * _MIB if memory else None,
        ends_at=None if ends is None else float(ends),
    )


def numa_nodes(root: Path = Path("/")) -> tuple[NumaNode, ...]:
    """The memory nodes of this computer; () where the kernel has none to list."""
    nodes = []
    folder = root / "sys/devices/system/node"
    try:
        names = [path for path in folder.iterdir() if re.fullmatch(r"node\d+", path.name)]
    except OSError:
        return ()
    for path in sorted(names, key=lambda path: int(path.name[4:])):
        meminfo = _text(path / "meminfo") or ""
        nodes.append(
            NumaNode(
                number=int(path.name[4:]),
                cpus=(_text(path / "cpulist") or "").strip(),
                total_bytes=_amount(meminfo, "MemTotal"),
                free_bytes=_amount(meminfo, "MemFree"),
            )
        )
    return tuple(nodes)


def _amount(meminfo: str, key: str) -> int | None:
    match = re.search(rf"\b{key}:\s+(\d+) kB", meminfo)
    return int(match[1]) * _KIB if match else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
