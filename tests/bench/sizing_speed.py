"""Published throughput against `hardware.speed`: rows in `data/throughput_open.jsonl`."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sizing_rows import case_of

from tunewright.hardware.catalogue import find_part
from tunewright.hardware.snapshot import Host
from tunewright.hardware.speed import Speed, training_speed

ROWS = Path(__file__).with_name("data") / "throughput_open.jsonl"
_HOST = Host("bench", "", 8, (), 0, 0)


class Timed(NamedTuple):
    """A row with the speed that was predicted for it, tokens a second."""

    row: dict[str, Any]
    speed: Speed

    @property
    def error(self) -> float:
        return float(self.speed.tokens_per_second.expected / self.row["tokens_per_second"] - 1)

    @property
    def inside(self) -> bool:
        rate = self.speed.tokens_per_second
        return bool(rate.low <= self.row["tokens_per_second"] <= rate.high)


def timed(path: Path = ROWS) -> list[Timed]:
    """Every row with its prediction."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        whole = {
            "kind": "train", "optimizer": "adamw", "attn": "flash2", "packing_loss_kernel": None,
            "measured_gib": 1.0, "what_is_measured": "", "notes": "", "quality": "B",
            "extra": {"adapter_dtype": "fp32", "amp": True},
        } | row  # fmt: skip
        case = case_of(whole)
        assert case.setup is not None
        setup = msgspec.structs.replace(case.setup, compiled=bool(row["compiled"]))
        part = find_part(row["gpu"])
        speed = training_speed(case.shape, setup, part, _HOST, nvlink=part.switched)
        assert speed is not None
        found.append(Timed(row, speed))
    return found


def speed_summary(rows: list[Timed]) -> dict[str, Any]:
    """Rows, median and p90 absolute error, bias, and the share inside the interval."""
    errors = sorted(abs(one.error) for one in rows)
    return {
        "rows": len(rows),
        "median_ape": statistics.median(errors),
        "p90_ape": errors[min(len(errors) - 1, -(-9 * len(errors) // 10) - 1)],
        "bias": statistics.mean(one.error for one in rows),
        "inside_share": sum(one.inside for one in rows) / len(rows),
    }
