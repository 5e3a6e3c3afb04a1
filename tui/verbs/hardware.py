"""hardware: what this machine has, read now or watched; or what another one would have."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import add_hardware, add_json, add_prices

if TYPE_CHECKING:
    import argparse

    from tunewright.hardware.prices import Cost
    from tunewright.hardware.snapshot import Snapshot

_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_hardware(parser)
    parser.add_argument(
        "--watch", action="store_true", help="once a second until Ctrl-C; with --json one a line"
    )
    parser.add_argument(
        "--list", action="store_true", help="the parts that --hardware knows, with their sources"
    )
    add_prices(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.places import places
    from tunewright.hardware.prices import cost_of, own_prices
    from tunewright.hardware.watch import Watch
    from tunewright.hardware.whatif import imagine

    if options.list:
        return _list(options.json)
    prices = own_prices(options.prices)
    look: Callable[[], Snapshot]
    if options.hardware is None:
        look = Watch(places())
    else:
        invented = imagine(options.hardware)

        def look() -> Snapshot:
            return invented

    if options.watch:
        return _watch(look, options.json)
    machine = look()
    cost = None if prices is None else cost_of(machine, prices)
    if options.json:
        if cost is not None:
            say.note(_cost_line(cost))
        say.data(machine)
        return Exit.DONE
    for line in _lines(machine):
        say.line(line)
    if cost is not None:
        say.line(_cost_line(cost))
    elif prices is not None:
        say.line("cost      unknown: the price file has none of these devices")
    return Exit.DONE


def _watch(look: Callable[[], Snapshot], as_json: bool) -> int:
    """Show the machine each second until Ctrl-C, which is how one leaves."""
    import msgspec

    screen = sys.stdout.isatty() and not as_json
    try:
        while True:
            began = time.monotonic()
            machine = look()
            if as_json:
                say.line(msgspec.json.encode(machine).decode())
            else:
                # One write a reading: a terminal over SSH shows it whole.
                text = "\n".join(_lines(machine))
                if screen:
                    sys.stdout.write("\x1b[H\x1b[J")
                say.line(text if screen else f"{text}\n")
            time.sleep(max(0.0, _SECONDS - (time.monotonic() - began)))
    except KeyboardInterrupt:
        return Exit.DONE


def _lines(machine: Snapshot) -> list[str]:
    from tunewright.tui.machine_text import (
        device_lines,
        device_row,
        host_lines,
        matrix,
        process_rows,
        system_line,
        trouble_lines,
    )

    lines = ["SIM: this machine was named or loaded, it is not here"] * machine.simulated
    system = system_line(machine)
    lines += [system] if system else []
    rows = [device_row(gpu) for gpu in machine.gpus]
    if rows:
        lines += ["", *say.columns(list(rows[0]), [list(row.values()) for row in rows])]
    # Alike devices are described once.
    described: dict[tuple[str, ...], list[str]] = {}
    for gpu in machine.gpus:
        facts = tuple(
            line for line in device_lines(gpu) if not line.startswith(("held by", "UUID"))
        )
        described.setdefault(facts, []).append(gpu.label)
    for facts, labels in described.items():
        lines += ["", f"GPU {', '.join(labels)}", *(f"  {line}" for line in facts)]
    found = [list(cells.values()) for _, cells, _, _ in process_rows(machine)]
    if found:
        titles = list(process_rows(machine)[0][1])
        lines += ["", *say.columns(titles, found)]
    ways = matrix(machine, 100)
    lines += ["", *ways] if ways else []
    lines += ["", *host_lines(machine)]
    troubles = list(trouble_lines(machine))
    return [*lines, "", *troubles] if troubles else lines


def _cost_line(cost: Cost) -> str:
    from tunewright.engine.text import plain

    line = f"cost      {cost.per_hour:.2f} {plain(cost.currency)} an hour: {cost.because}"
    if cost.missing:
        line += f"; no price for {plain(', '.join(cost.missing))}"
    return line


def _list(as_json: bool) -> int:
    from tunewright.engine.text import size
    from tunewright.hardware.catalogue import catalogue

    if as_json:
        say.data([{name: getattr(part, name) for name in part.__struct_fields__ if name != "words"}
                  for part in catalogue()])  # fmt: skip
        return Exit.DONE

    def tera(rate: float | None) -> str:
        return "" if rate is None else f"{rate / 1e12:.0f}"

    say.table(
        ["part", "usable", "GB/s", "bf16", "fp16", "fp8", "sm", "NVLink", "W", "slices"],
        [
            [
                part.name,
                size(part.memory_bytes),
                f"{part.bandwidth / 1e9:.0f}",
                tera(part.bf16_flops),
                tera(part.fp16_flops),
                tera(part.fp8_flops),
                ".".join(map(str, part.capability)),
                "" if part.nvlink is None else f"{part.nvlink / 1e9:.0f}",
                f"{part.watts:.0f}",
                " ".join(profile.name for profile in part.mig),
            ]
            for part in catalogue()
        ],
    )
    say.line()
    say.line(
        "Rates in Tflop/s, dense, 32-bit accumulation; NVLink in GB/s both ways. --list --json"
    )
    say.line(
        "has the source of each part, a page that was read for it, and where that page differs."
    )
    return Exit.DONE
