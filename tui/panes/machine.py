"""Machine: what is here to train with, live. Three views: devices, processes, links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from tunewright.engine.devices.busy import is_busy
from tunewright.engine.devices.names import AUTO, is_named, named_devices
from tunewright.hardware.fit import training_memory
from tunewright.hardware.snapshot import Gpu, Snapshot
from tunewright.tui import boxes
from tunewright.tui.history import History, spark
from tunewright.tui.machine_text import (
    device_lines,
    device_row,
    host_lines,
    matrix,
    pair_row,
    process_rows,
    system_line,
    trouble_lines,
    without_gpu,
)
from tunewright.tui.panes.pane import Pane
from tunewright.tui.widgets.lines import Lines, wrapped
from tunewright.tui.widgets.rows import Column, Row, Rows

VIEWS = ("devices", "processes", "links")
# Lines of head, history, host and advice, beside the list and the facts of its marked device.
_AROUND = 9
_NARROW = 72


def _use(gpu: Gpu) -> int:
    return (gpu.activity.gpu_percent or 0) if gpu.activity is not None else 0


def _heat(gpu: Gpu) -> int:
    return (gpu.activity.temperature_c or 0) if gpu.activity is not None else 0


# What the list of a view can be sorted by: (name, key). The first is the order as it came.
_BY_DEVICE: tuple[tuple[str, Callable[[Gpu], Any]], ...] = (
    ("number", lambda gpu: 0),
    ("free memory", lambda gpu: -(gpu.free_bytes or 0)),
    ("use", lambda gpu: -_use(gpu)),
    ("temperature", lambda gpu: -_heat(gpu)),
)
_BY_PROCESS = ("memory", "gpu", "user", "command")
_BY_LINK = ("number", "NVLink")

_DEVICES = (
    Column("", 1), Column("gpu", 5), Column("name"), Column("use", 13),
    Column("memory, GiB", 20), Column("temp", 4, True), Column("power", 5, True),
)  # fmt: skip
_PROCESSES = (
    Column("gpu", 5), Column("pid", 8, True), Column("user", 12), Column("whose", 7),
    Column("holds", 10, True), Column("command"),
)  # fmt: skip
_LINKS = (
    Column("gpus", 6), Column("NVLink", 9), Column("PCIe way", 14),
    Column("reads the other's memory"),
)  # fmt: skip


# What a machine without a GPU is good for, with the key that leads there.
_WITHOUT_GPU = (
    "check, fix and look through data of any size (3)",
    "size any model for any hardware (4, 5): tunewright --hardware 'RTX 4090'",
    "train small models (6): the demo's 135M takes minutes on two cores",
)
# Lines that the table of what fits here wants, with one above it.
_FITS = 11


class MachinePane(Pane):
    """The list of the view, what is known of its marked device, the host, what follows."""

    STEP: ClassVar[str] = "machine"

    DEFAULT_CSS = """
    MachinePane #machine-list { height: 1fr; min-height: 4; }
    """

    # The screen would move the focus on tab, and there is but one list.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.press('tab')", show=False, priority=True)
    ]

    def __init__(self, bench: Any) -> None:
        super().__init__(bench)
        self.view = 0
        self._sorted = [0, 0, 0]
        self._found = ""

    def compose(self) -> ComposeResult:
        yield Lines(id="machine-head")
        yield Rows(_DEVICES, id="machine-list")
        yield Lines(id="machine-detail")

    # -- drawing

    def show(self) -> None:
        snapshot, width = self.bench.snapshot, max(20, self.size.width - 2)
        head, rows = self.query_one("#machine-head", Lines), self._list
        detail = self.query_one("#machine-detail", Lines)
        if snapshot is None:
            head.show(["looking at this machine"])
            rows.display = False
            return
        head.show(self._head(snapshot, width))
        shown, columns = self._rows(snapshot, width)
        rows.display = bool(shown) or bool(self._found)
        rows.styles.max_height = max(4, len(shown) + 1)
        rows.show(shown, columns)
        detail.show(self._detail(snapshot, width))
        if rows.display and self.app.focused is None and self.tunewright.pane is self:
            # The pane may have opened before there was a list to take the focus.
            self.app.set_focus(rows)

    @property
    def _list(self) -> Rows:
        return self.query_one("#machine-list", Rows)

    def _head(self, snapshot: Snapshot, width: int) -> list[Text]:
        lines = []
        if snapshot.simulated:
            told = "SIM: this machine was named or loaded, it is not here; esc: back to this one"
            lines += wrapped(Text(told, "bold"), width, 5)
        system = system_line(snapshot)
        if system:
            lines += wrapped(Text(system, "dim"), width, 2)
        if self._views(snapshot) == ("devices",):
            return lines
        names = Text()
        for at, view in enumerate(VIEWS):
            names.append(f"[{view}]" if at == self.view else f" {view} ", _marked(at == self.view))
        names.append(f"  by {self._order(snapshot)}", "dim")
        return [*lines, names]

    def _rows(self, snapshot: Snapshot, width: int) -> tuple[list[Row], tuple[Column, ...]]:
        kind = VIEWS[self.view]
        if kind == "processes":
            return self._process_rows(snapshot), _PROCESSES
        if kind == "links":
            pairs = list(snapshot.pairs)
            if self._order(snapshot) == "NVLink":
                pairs.sort(key=lambda pair: -pair.nvlinks)
            return [Row(f"{p.a}-{p.b}", tuple(pair_row(p).values())) for p in pairs], _LINKS
        columns = _DEVICES if width >= _NARROW else _DEVICES[:5]
        return [self._device_row(gpu, columns) for gpu in self._devices(snapshot)], columns

    def _devices(self, snapshot: Snapshot) -> list[Gpu]:
        by = _BY_DEVICE[self._sorted[0]][1]
        return sorted(snapshot.gpus, key=by)

    def _device_row(self, gpu: Gpu, columns: tuple[Column, ...]) -> Row:
        # Others' memory is marked as in the gauge, so that colour only repeats it.
        mark = "*" if self._is_asked(gpu) else "×" if is_busy(gpu) else " "
        cells = device_row(gpu) | {"": mark}
        return Row(
            gpu.label,
            tuple(cells[column.title] for column in columns),
            "yellow" if is_busy(gpu) else "",
        )

    def _process_rows(self, snapshot: Snapshot) -> list[Row]:
        found = process_rows(snapshot)
        by = self._order(snapshot)
        if by == "memory":
            found.sort(key=lambda row: -row[2])
        elif by != "gpu":
            found.sort(key=lambda row: row[1][by].casefold())
        return [
            Row(key, tuple(cells.values()), "" if own else "yellow") for key, cells, _, own in found
        ]

    def _detail(self, snapshot: Snapshot, width: int) -> list[Text]:
        lines: list[Text] = []
        if VIEWS[self.view] == "links":
            room = self.size.height - len(snapshot.gpus) > 8
            lines += [Text(line) for line in (matrix(snapshot, width) if room else [])]
        elif VIEWS[self.view] == "processes":
            if not process_rows(snapshot):
                lines.append(Text("No process holds memory of a device.", "dim"))
        elif (gpu := self._marked(snapshot)) is not None:
            lines += self._history(gpu, width)
            facts = [line for text in device_lines(gpu) for line in
                     wrapped(Text(text), width, 10)]  # fmt: skip
            lines += facts[: self._room(snapshot)]
        troubles: list[Text] = []
        for text in trouble_lines(snapshot):
            style = "bold" if text.startswith("!") else "dim"
            troubles += wrapped(Text(text, style), width, 8 if text[0] in "! " else 10)
        host = [line for text in host_lines(snapshot) for line in wrapped(text, width, 10)]
        advice = self._advice(snapshot, width)
        if snapshot.gpus:
            host = host[:2] if self.size.height < 30 else host
            lines += [*troubles, *host, *advice]
        elif without_gpu(snapshot):
            # What can be done comes first; why there is no GPU is for whoever expected one.
            lines += [*advice, Text(), *host, *self._host_history(width), *troubles]
        else:
            lines += [*troubles, *advice, Text(), *host]
        left = self.size.height - len(lines) - self._list_height(snapshot) - 3
        if left < _FITS or width < _NARROW:
            return lines
        # With it comes the catalogue of models, which only a high terminal has room for.
        from tunewright.tui.fits_here import fit_lines

        return [*lines, Text(), *fit_lines(snapshot, width)]

    def _list_height(self, snapshot: Snapshot) -> int:
        return len(snapshot.gpus) + 1 if snapshot.gpus else 0

    def _host_history(self, width: int) -> list[Text]:
        taken = list(self._seen.host)
        if len(taken) < 2 or self.size.height < 18:
            return []
        span = max(8, min(60, width - 24))
        return [Text(f"{'RAM taken':<10}{spark(taken, span)} {_percent(taken[-1])}")]

    def _room(self, snapshot: Snapshot) -> int:
        """Lines for the facts of the marked device; the list has up to half of the pane."""
        least = min(len(snapshot.gpus) + 1, self.size.height // 2)
        return max(1, self.size.height - least - _AROUND)

    def _marked(self, snapshot: Snapshot) -> Gpu | None:
        key = self._list.key
        return next((gpu for gpu in snapshot.gpus if gpu.label == key), None) or next(
            iter(self._devices(snapshot)), None
        )

    def _history(self, gpu: Gpu, width: int) -> list[Text]:
        samples = self._seen.of(gpu)
        if snapshot_is_still(samples):
            return []
        span = max(8, min(60, width - 24))
        lines = [
            Text(f"{name:<10}{spark(shares, span)} {_percent(shares[-1])}")
            for name, shares in (
                (f"use {gpu.label}", [sample.use for sample in samples]),
                (f"memory {gpu.label}", [sample.memory for sample in samples]),
            )
        ]
        last = samples[-1]
        if last.sent is not None and last.received is not None and (last.sent or last.received):
            told = f"{last.sent / 1e9:.1f} GB/s out, {last.received / 1e9:.1f} GB/s in"
            lines.append(Text(f"{'NVLink':<10}{told}"))
        return lines

    @property
    def _seen(self) -> History:
        return self.bench.history

    def _advice(self, snapshot: Snapshot, width: int) -> list[Text]:
        asked = self.bench.inputs.device
        because = training_memory(snapshot)[2]
        if asked != AUTO:
            because = f"you chose device {asked} (space: leave it to the rules)"
        if self.bench.inputs.when_busy == "wait":
            because += "; the run waits until the device is free (w)"
        lines = wrapped(Text(because[:1].upper() + because[1:] + ".", "bold"), width)
        if training_memory(snapshot)[0] == "cpu":
            for possible in _WITHOUT_GPU:
                lines += wrapped(f" + {possible}", width, 3)
        return lines

    # -- commands

    def _views(self, snapshot: Snapshot) -> tuple[str, ...]:
        has = [True, bool(process_rows(snapshot)), bool(snapshot.pairs)]
        return tuple(view for view, there in zip(VIEWS, has, strict=True) if there)

    def _orders(self) -> tuple[str, ...]:
        return (tuple(name for name, _ in _BY_DEVICE), _BY_PROCESS, _BY_LINK)[self.view]

    def _order(self, snapshot: Snapshot) -> str:
        return self._orders()[self._sorted[self.view]]

    def _is_asked(self, gpu: Gpu) -> bool:
        return any(is_named(gpu, name) for name in named_devices(self.bench.inputs.device))

    def why_not(self, command: str) -> str | None:
        if command == "what_if":
            return None
        snapshot = self.bench.snapshot
        if snapshot is None:
            return "the machine is still being looked at"
        if command == "view" and self._views(snapshot) == ("devices",):
            return "no process holds memory of a device, and there are no two GPUs to join"
        if command == "sort" and len(self._list.shown) < 2:
            return "there is nothing to sort"
        if command in ("use", "use_too"):
            if VIEWS[self.view] != "devices" or self._marked(snapshot) is None:
                return "mark a device first (tab: devices)"
            gpu = self._marked(snapshot)
            if gpu is not None and gpu.uuid is None:
                return "the driver does not tell this device's UUID"
        if command == "when_busy" and not snapshot.gpus:
            return "there is no device to wait for"
        return None

    def do_view(self) -> None:
        """The next of the views that has something to show."""
        snapshot = self.bench.snapshot
        if snapshot is None:
            return
        there = self._views(snapshot)
        later = [*VIEWS[self.view + 1 :], *VIEWS]
        self.view = VIEWS.index(next(view for view in later if view in there))
        self.show()

    def do_sort(self) -> None:
        """Sort by the next thing."""
        self._sorted[self.view] = (self._sorted[self.view] + 1) % len(self._orders())
        self.show()

    def do_use(self) -> None:
        """Train on the marked device; again, and the rules choose."""
        snapshot = self.bench.snapshot
        gpu = self._marked(snapshot) if snapshot is not None else None
        if gpu is None or gpu.uuid is None:
            return
        self.bench.answer(device=AUTO if self._is_asked(gpu) else gpu.uuid)
        self.post_message(self.Changed())

    def do_use_too(self) -> None:
        """Train on the marked device beside those that are chosen; again, and without it."""
        snapshot = self.bench.snapshot
        gpu = self._marked(snapshot) if snapshot is not None else None
        if snapshot is None or gpu is None or gpu.uuid is None:
            return
        chosen = [one.uuid for one in snapshot.gpus if one.uuid and self._is_asked(one)]
        chosen = [uuid for uuid in chosen if uuid != gpu.uuid] + (
            [] if self._is_asked(gpu) else [gpu.uuid]
        )
        self.bench.answer(device="+".join(chosen) or AUTO)
        self.post_message(self.Changed())

    def do_when_busy(self) -> None:
        """Wait for a busy device, or take another one."""
        waits = self.bench.inputs.when_busy == "wait"
        self.bench.answer(when_busy="another" if waits else "wait")
        self.post_message(self.Changed())

    async def do_what_if(self) -> None:
        """Plan on a machine that is not here."""
        # Awaited: what is typed behind the key belongs into the field.
        await self.app.push_screen(boxes.what_if(), self._imagined)

    def _imagined(self, machine: Snapshot | None) -> None:
        if machine is not None:
            self.tunewright.lookout.plan_on(machine)

    @property
    def inside(self) -> bool:
        return self.bench.snapshot is not None and self.bench.snapshot.simulated

    def back(self) -> bool:
        if not self.inside:
            return False
        self.tunewright.lookout.plan_on(None)
        return True

    def on_rows_moved(self) -> None:
        self.show()

    def narrow(self, text: str) -> bool:
        self._found = text
        self._list.narrow(text)
        return self._list.display

    def first_focus(self) -> Widget | None:
        return self._list if self._list.display else None

    def copied(self) -> str | None:
        parts = [self.query_one("#machine-head", Lines).shown, *self._list.shown,
                 self.query_one("#machine-detail", Lines).shown]  # fmt: skip
        return "\n".join(part for part in parts if part) or None


def _marked(yes: bool) -> str:
    return "bold" if yes else "dim"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"


def snapshot_is_still(samples: tuple[Any, ...]) -> bool:
    """Whether there is no history to draw: a machine that is not here never moves."""
    return len(samples) < 2
