"""hardware: what this machine has, read now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewright.hardware.errors import Exit
from tunewright.tui import say
from tunewright.tui.verbs.common import add_json

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from tunewright.engine.text import plain, size
    from tunewright.hardware.take import take_snapshot

    machine = take_snapshot()
    if options.json:
        say.data(machine)
        return Exit.DONE
    host = machine.host
    say.line(
        f"{plain(host.hostname)}: {plain(host.cpu_model)}, {host.cores} cores usable, "
        f"{size(host.ram_available_bytes)} of {size(host.ram_total_bytes)} RAM free"
    )
    if machine.driver_version:
        cuda = ".".join(map(str, machine.cuda_version)) if machine.cuda_version else "unknown"
        say.line(f"driver {machine.driver_version}, CUDA {cuda}")
    if machine.gpus:
        say.table(
            ["gpu", "name", "total", "free", "processes"],
            [
                [
                    str(gpu.index),
                    gpu.name,
                    size(gpu.total_bytes),
                    size(gpu.free_bytes),
                    str(len(gpu.processes)),
                ]
                for gpu in machine.gpus
            ],
        )
    trouble = machine.gpu_trouble
    if trouble is not None:
        say.line(f"{trouble.what}\n  why:  {trouble.why}\n  cure: {trouble.cure}")
    return Exit.DONE
