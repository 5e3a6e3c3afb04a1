"""A machine in words: the rows and lines that the Machine pane and `tunewright hardware` show."""

from __future__ import annotations

from collections.abc import Iterator

from tunewright.engine.devices.busy import holders
from tunewright.engine.text import place, plain, shorten, size
from tunewright.hardware.capability import needs
from tunewright.hardware.snapshot import NO_GPU, Activity, Disk, Gpu, Pair, Snapshot, Trouble
from tunewright.tui.history import memory_share

_GIB = 1 << 30
# What stands in a cell of the matrix for the way between two GPUs.
_SHORT = {
    "same board": "BRD", "PCIe switch": "PIX", "PCIe switches": "PXB", "host bridge": "PHB",
    "NUMA node": "NOD", "across sockets": "SYS",
}  # fmt: skip


def meter(share: float | None, width: int) -> str:
    """A bar of `width` cells; what is there at all gets one."""
    if share is None:
        return "?".ljust(width)
    full = 0 if share <= 0 else max(1, round(min(1.0, share) * width))
    return "█" * full + "·" * (width - full)


def short_name(gpu: Gpu) -> str:
    """The device's name without what all of them begin with."""
    return plain(gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce "))


def used_of(gpu: Gpu) -> str:
    """Memory that is taken, of all, in GiB: "14.2/79.6"; with why where it is not known."""
    if gpu.free_bytes is None or gpu.total_bytes is None:
        return "?"
    return f"{(gpu.total_bytes - gpu.free_bytes) / _GIB:.1f}/{gpu.total_bytes / _GIB:.1f}"


def unit(value: float | None, what: str) -> str:
    """A whole number with its unit; "" for None: most cards leave something out."""
    return "" if value is None else f"{value:.0f}{what}"


def device_row(gpu: Gpu) -> dict[str, str]:
    """A device by the titles of its columns."""
    doing = gpu.activity or Activity()
    use = doing.gpu_percent
    return {
        "gpu": gpu.label,
        "name": short_name(gpu),
        "use": f"{meter(None if use is None else use / 100, 8)} {unit(use, '%'):>4}",
        "memory, GiB": f"{meter(memory_share(gpu), 8)} {used_of(gpu)}",
        "temp": unit(doing.temperature_c, "C"),
        "power": unit(doing.power_watts, "W"),
    }


def device_lines(gpu: Gpu) -> Iterator[str]:
    """All that is known of a device, a subject a line."""
    return map(plain, _device_lines(gpu))


def _device_lines(gpu: Gpu) -> Iterator[str]:
    who = holders(gpu)
    if who:
        yield f"held by   {who}"
    if gpu.memory_note:
        yield f"memory    {gpu.memory_note}"
    yield f"can       {_abilities(gpu)}"
    if (clocks := _clocks(gpu)) is not None:
        yield clocks
    if (board := _board(gpu)) is not None:
        yield board
    if gpu.mig is not None:
        sms = gpu.mig.multiprocessors
        yield (
            f"slice     {gpu.mig.profile or 'of unknown profile'} of GPU {gpu.index}"
            + (f", {sms} multiprocessors" if sms else "")
        )
    if gpu.nvlink is not None:
        yield f"NVLink    {_nvlink(gpu)}"
    if (memory := _health(gpu)) is not None:
        yield memory
    if gpu.uuid is not None:
        place = f" at {gpu.pci_bus_id}" if gpu.pci_bus_id else ""
        yield f"UUID      {gpu.uuid}{place}"
    yield from (f"unknown   {field}: {why}" for field, why in gpu.unknown.items())


def _abilities(gpu: Gpu) -> str:
    if gpu.compute_capability is None:
        return "unknown: the driver does not tell the compute capability"
    major, minor = gpu.compute_capability
    able = [name for name, can in gpu.can.items() if can]
    unable = [f"{name} ({needs(name) or '?'})" for name, can in gpu.can.items() if not can]
    generation = f"{gpu.architecture}, " if gpu.architecture else ""
    return (
        f"{', '.join(able) or 'nothing of it'}"
        + (f"; no {', '.join(unable)}" if unable else "")
        + f" ({generation}capability {major}.{minor})"
    )


def _clocks(gpu: Gpu) -> str | None:
    doing, board = gpu.activity, gpu.board
    if doing is None:
        return None
    parts = []
    if doing.sm_mhz is not None:
        most = f" of {board.sm_max_mhz}" if board is not None and board.sm_max_mhz else ""
        parts.append(f"{doing.sm_mhz}{most} MHz")
    if doing.performance_state:
        parts.append(doing.performance_state)
    if doing.power_watts is not None and doing.power_limit_watts is not None:
        parts.append(f"{doing.power_watts:.0f} of {doing.power_limit_watts:.0f} W")
    if doing.fan_percent is not None:
        parts.append(f"fan {doing.fan_percent}%")
    if doing.throttled:
        parts.append("held back by: " + ", ".join(doing.throttled))
    return f"clocks    {', '.join(parts)}" if parts else None


def _board(gpu: Gpu) -> str | None:
    doing, board = gpu.activity, gpu.board
    if board is None:
        return None
    parts = []
    if doing is not None and doing.pcie_generation is not None:
        most = f" (at most {board.pcie_max_generation} x{board.pcie_max_width})"
        same = (board.pcie_max_generation, board.pcie_max_width) == (
            doing.pcie_generation,
            doing.pcie_width,
        )
        parts.append(f"PCIe {doing.pcie_generation} x{doing.pcie_width}{'' if same else most}")
    if board.numa_nodes is not None:
        near = f", CPUs {board.cpus}" if board.cpus else ""
        parts.append(f"NUMA node {', '.join(map(str, board.numa_nodes))}{near}")
    if board.display_active:
        parts.append("drives a display")
    elif board.display_connected:
        parts.append("display attached")
    if board.compute_mode not in (None, "shared"):
        parts.append(f"compute mode: {board.compute_mode}")
    if board.persistence_mode is False:
        parts.append("persistence mode off")
    return f"board     {'; '.join(parts)}" if parts else None


def _nvlink(gpu: Gpu) -> str:
    assert gpu.nvlink is not None
    links, speed = gpu.nvlink, gpu.nvlink.link_bytes_per_second
    rate = f", {speed / 1e9:.0f} GB/s each way a link" if speed else ""
    peers = "; to " + ", ".join(f"{n}x {p}" for p, n in links.peers.items())
    return f"{links.active} of {links.links} links up{rate}{peers if links.peers else ''}"


def _health(gpu: Gpu) -> str | None:
    health = gpu.health
    if health is None or health.ecc is None:
        return None
    parts = ["ECC on" if health.ecc else "ECC off"]
    if health.uncorrected_ever:
        parts.append(f"{health.uncorrected_ever} uncorrected errors ever")
    if health.corrected_ever:
        parts.append(f"{health.corrected_ever} corrected ever")
    if health.remapped_rows:
        parts.append(f"{health.remapped_rows} row(s) remapped")
    if health.retired_pages:
        parts.append(f"{health.retired_pages} page(s) retired")
    if health.remap_pending or health.retirement_pending:
        parts.append("more at the next reset")
    if health.remap_failed:
        parts.append("REMAPPING FAILED: replace the board")
    return f"health    {', '.join(parts)}"


# -- processes and links


def process_rows(snapshot: Snapshot) -> list[tuple[str, dict[str, str], int, bool]]:
    """(key, cells by title, bytes, own) of each process on each device."""
    rows = []
    # A GPU in MIG mode may list the processes of its slices as well: each is shown where it runs.
    on_slices = {(gpu.index, p.pid) for gpu in snapshot.gpus if gpu.mig for p in gpu.processes}
    for gpu in (*snapshot.gpus, *snapshot.split):
        for process in gpu.processes:
            if gpu.mig is None and (gpu.index, process.pid) in on_slices:
                continue
            cells = {
                "gpu": gpu.label,
                "pid": str(process.pid),
                "user": plain(process.user or "unknown"),
                "whose": "own" if process.own else "foreign",
                "holds": size(process.used_bytes),
                "command": plain(process.command or "unknown"),
            }
            key = f"{gpu.label}:{process.pid}"
            rows.append((key, cells, process.used_bytes or 0, process.own))
    return rows


def pair_row(pair: Pair) -> dict[str, str]:
    """How two GPUs reach each other, by the titles of the columns."""
    p2p = "unknown" if pair.p2p is None else "yes" if pair.p2p else f"no: {pair.p2p_why or '?'}"
    return {
        "gpus": f"{pair.a} {pair.b}",
        "NVLink": f"{pair.nvlinks} links" if pair.nvlinks else "none",
        "PCIe way": pair.path or "unknown",
        "reads the other's memory": plain(p2p),
    }


def matrix(snapshot: Snapshot, width: int) -> list[str]:
    """The way between each two GPUs as a table; [] for fewer than two, or where it has no room."""
    indices = sorted({i for pair in snapshot.pairs for i in (pair.a, pair.b)})
    if not indices or 4 + 4 * len(indices) > width:
        return []
    cells = {}
    for pair in snapshot.pairs:
        cell = f"N{pair.nvlinks}" if pair.nvlinks else _SHORT.get(pair.path or "", "?")
        cells[pair.a, pair.b] = cells[pair.b, pair.a] = cell
    lines = ["    " + "".join(f"{index:>4}" for index in indices)]
    for a in indices:
        ways = "".join(f"{'-' if a == b else cells.get((a, b), '?'):>4}" for b in indices)
        lines.append(f"{a:>4}{ways}")
    used = [f"{short} {words}" for words, short in _SHORT.items() if short in cells.values()]
    linked = next((pair.nvlinks for pair in snapshot.pairs if pair.nvlinks), None)
    if linked is not None:
        used.insert(0, f"N{linked} {linked} NVLinks")
    # A table of nothing known says less than none.
    return [*lines, "    " + ", ".join(used)] if used else []


# -- the rest


def host_lines(snapshot: Snapshot) -> Iterator[str]:
    """The computer around the GPUs."""
    return map(plain, _host_lines(snapshot))


def _host_lines(snapshot: Snapshot) -> Iterator[str]:
    host = snapshot.host
    online = f" of {host.cores_online}" if host.cores_online not in (None, host.cores) else ""
    yield (
        f"host      {shorten(host.hostname, 40)}: {shorten(host.cpu_model, 50)}, "
        f"{host.cores}{online} cores usable"
    )
    memory = f"{size(host.ram_available_bytes)} of {size(host.ram_total_bytes)} RAM available"
    if host.ram_installed_bytes is not None and host.ram_installed_bytes > host.ram_total_bytes:
        memory += f" (limit; {size(host.ram_installed_bytes)} are installed)"
    if host.swap_total_bytes:
        memory += f", swap {size(host.swap_free_bytes)} free"
    if host.shm_total_bytes:
        memory += f", /dev/shm {size(host.shm_free_bytes)} free"
    yield f"memory    {memory}"
    yield from (f"disk      {_disk(disk)}" for disk in host.disks)
    if len(host.numa) > 1:
        nodes = ", ".join(f"{node.number} (CPUs {node.cpus})" for node in host.numa)
        yield f"NUMA      {len(host.numa)} nodes: {nodes}"
    around = []
    if host.container:
        around.append(f"in a container ({host.container})")
    if host.slurm is not None:
        around.append(f"in Slurm job {host.slurm.job_id}")
    if around:
        yield f"runs      {', '.join(around)}"
    yield from (
        f"assumed   {field.removesuffix('_bytes')}: {why.removeprefix('assumed: ')}"
        for field, why in host.unknown.items()
        if snapshot.simulated and why.startswith("assumed")
    )


def _disk(disk: Disk) -> str:
    if disk.free_bytes is None:
        why = disk.unknown.get("free_bytes", "not told")
        return f"{disk.place}: unknown ({why}), {place(disk.path)}"
    kind = f" {disk.filesystem}" if disk.filesystem else ""
    return f"{disk.place}: {size(disk.free_bytes)} free{kind}, {place(disk.path)}"


def system_line(snapshot: Snapshot) -> str:
    """Driver, CUDA and what hides devices, in one line."""
    parts = []
    if snapshot.driver_version:
        parts.append(f"driver {snapshot.driver_version}")
    if snapshot.cuda_version:
        parts.append(f"CUDA {snapshot.cuda_version[0]}.{snapshot.cuda_version[1]}")
    if snapshot.nvml_version:
        parts.append(f"NVML {snapshot.nvml_version}")
    if snapshot.cuda_visible_devices is not None:
        order = f" in order {snapshot.cuda_device_order}" if snapshot.cuda_device_order else ""
        shown = shorten(snapshot.cuda_visible_devices or "(empty)", 50)
        parts.append(f"CUDA_VISIBLE_DEVICES={shown}{order}")
    if snapshot.hidden:
        parts.append(f"hidden: {shorten(', '.join(snapshot.hidden), 60)}")
    return plain(", ".join(parts))


def without_gpu(snapshot: Snapshot) -> bool:
    """Whether there simply is no GPU: nothing failed, and nothing needs a cure."""
    trouble = snapshot.gpu_trouble
    return not snapshot.gpus and (trouble is None or trouble.what == NO_GPU)


def trouble_lines(snapshot: Snapshot) -> Iterator[str]:
    """Every state that is not as it should be: what, why, cure."""
    return map(plain, _trouble_lines(snapshot))


def _trouble_lines(snapshot: Snapshot) -> Iterator[str]:
    troubles: tuple[Trouble, ...] = snapshot.gpu_troubles
    if not troubles and snapshot.gpu_trouble is not None:
        troubles = (snapshot.gpu_trouble,)
    if without_gpu(snapshot):
        yield from (f"no GPU    {t.why}; {t.cure}" for t in troubles if t.what == NO_GPU)
        troubles = tuple(t for t in troubles if t.what != NO_GPU)
    if snapshot.host.at_logout is not None:
        troubles = (*troubles, snapshot.host.at_logout)
    for trouble in troubles:
        yield f"! {trouble.what}"
        yield f"  why:  {trouble.why}"
        yield f"  cure: {trouble.cure}"
