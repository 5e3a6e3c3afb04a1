"""Machine: what is here to train with, live."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from tunewright.engine.text import plain, shorten, size
from tunewright.hardware.fit import training_memory
from tunewright.hardware.snapshot import Snapshot
from tunewright.tui.panes.pane import Pane
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows


class MachinePane(Pane):
    """Devices with who holds memory on them, the host, and what follows for training."""

    STEP: ClassVar[str] = "machine"

    DEFAULT_CSS = """
    MachinePane #processes { height: 1fr; margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Lines(id="machine-devices")
        yield Rows(
            [Column("on", 6), Column("pid", 8, True), Column("user", 12), Column("holds", 11, True),
             Column("command")],
            id="processes",
        )  # fmt: skip
        yield Lines(id="machine-advice")

    def show(self) -> None:
        snapshot = self.bench.snapshot
        if snapshot is None:
            self.query_one("#machine-devices", Lines).show(["looking at this machine"])
            return
        width = max(20, self.size.width - 2)
        self.query_one("#machine-devices", Lines).show(_devices(snapshot, width))
        rows = _processes(snapshot)
        processes = self.query_one("#processes", Rows)
        processes.display = bool(rows)
        processes.show(rows)
        self.query_one("#machine-advice", Lines).show(_advice(snapshot, width))

    def first_focus(self) -> Widget | None:
        processes = self.query_one("#processes", Rows)
        return processes if processes.display else None

    def copied(self) -> str | None:
        return self.query_one("#machine-devices", Lines).shown or None


def _devices(snapshot: Snapshot, width: int) -> list[Text]:
    host = snapshot.host
    lines = [Text("SIMULATED: loaded or invented, not this machine", "bold")] * snapshot.simulated
    for gpu in snapshot.gpus:
        line = Text(f"GPU{gpu.index}  ", "bold").append(shorten(gpu.name, 34), "bold")
        line.append(f"   {size(gpu.free_bytes)} free of {size(gpu.total_bytes)}")
        if gpu.compute_capability:
            line.append(f"   sm {gpu.compute_capability[0]}.{gpu.compute_capability[1]}", "dim")
        lines.append(line)
        lines += [
            Text(f"      {plain(field)} unknown: {plain(why)}", "dim")
            for field, why in gpu.unknown.items()
        ]
    trouble = snapshot.gpu_trouble
    if trouble is not None:
        lines.append(Text(plain(trouble.what), "bold"))
        lines += wrapped(Text(f"      {plain(trouble.why)}", "dim"), width, 6)
        lines += wrapped(Text(f"      {plain(trouble.cure)}", "dim"), width, 6)
    elif not snapshot.gpus:
        lines.append(Text("No NVIDIA GPU here", "bold"))
    lines.append(Text())
    lines.append(Text(f"host  {shorten(host.hostname, 30)}: {shorten(host.cpu_model, 40)}"))
    memory = f"{size(host.ram_available_bytes)} RAM available of {size(host.ram_total_bytes)}"
    lines += wrapped(f"      {host.cores} cores usable, {memory}", width, 6)
    if snapshot.driver_version:
        cuda = ".".join(map(str, snapshot.cuda_version)) if snapshot.cuda_version else "unknown"
        lines.append(Text(f"      driver {snapshot.driver_version}, CUDA {cuda}"))
    return lines


def _processes(snapshot: Snapshot) -> list[Row]:
    return [
        Row(
            f"{gpu.index}:{process.pid}",
            (
                f"GPU{gpu.index}",
                str(process.pid),
                process.user or "unknown",
                size(process.used_bytes),
                plain(process.command or "unknown"),
            ),
            "" if process.own else "yellow",
        )
        for gpu in snapshot.gpus
        for process in gpu.processes
    ]


def _advice(snapshot: Snapshot, width: int) -> list[Text]:
    device, _, because = training_memory(snapshot)
    lines = [Text(), *wrapped(Text(because[:1].upper() + because[1:] + ".", "bold"), width)]
    if device == "cpu":
        lines += wrapped(
            "That is enough to size any hardware, to check data, and to train small models: the "
            "demo's 135M takes minutes.",
            width,
        )
    return lines
