"""size --compare: models x machines x methods, with peak, headroom, hours and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say
from tunewright.tui.verbs.common import add_prices

if TYPE_CHECKING:
    import argparse

_TOKENS = 10_000_000


def add_compare(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for people who buy or rent")
    group.add_argument(
        "--compare", metavar="MACHINES", help="with commas between: 'RTX 4090, L40S, 8x H100'"
    )
    group.add_argument("--models", metavar="NAMES", help="with commas between; else MODEL")
    add_prices(group)


def compare(options: argparse.Namespace) -> int:
    """Print the matrix; exit code 3 when nothing fits anywhere."""
    from pathlib import Path

    import msgspec

    from tunewright.engine.choose import options as ways_of
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model_shape import model_shape
    from tunewright.hardware.prices import cost_of, own_prices
    from tunewright.hardware.whatif import imagine
    from tunewright.tui.verbs.sizes import ask_of

    names = _named(options.models) or ([options.model] if options.model else [])
    machines = _named(options.compare)
    if not names or not machines:
        raise Problem(
            "what is to be compared?",
            why="--compare names machines, and --models (or MODEL) models",
            cure="tunewright size --compare 'RTX 4090, L40S' --models Qwen/Qwen3-8B",
        )
    prices = own_prices(options.prices)
    shapes = [(name, model_shape(name, Path.cwd(), cache_home()).shape) for name in names]
    boxes = [(spec, imagine(spec)) for spec in machines]
    cells: list[dict[str, Any]] = []
    for name, shape in shapes:
        ask = ask_of(options, shape.max_position_embeddings)
        ask = msgspec.structs.replace(ask, tokens=ask.tokens or _TOKENS)
        for spec, machine in boxes:
            cost = None if prices is None else cost_of(machine, prices)
            for option in ways_of(shape, machine, ask):
                hours = option.hours
                money = None
                if cost is not None and hours is not None:
                    money = {
                        "expected": cost.per_hour * hours.expected,
                        "low": cost.per_hour * hours.low,
                        "high": cost.per_hour * hours.high,
                        "currency": cost.currency,
                    }
                cells.append(
                    {
                        "model": name,
                        "machine": spec,
                        "way": option.id,
                        "fits": option.verdict,
                        "expected_bytes": option.estimate.expected_bytes,
                        "safe_bytes": option.estimate.safe_bytes,
                        "headroom_bytes": option.headroom_bytes,
                        "hours": hours,
                        "cost": money,
                    }
                )
    if options.json:
        say.data({"tokens": options.tokens or _TOKENS, "cells": cells})
    else:
        _tell(cells, options.tokens or _TOKENS, priced=prices is not None)
    return Exit.DONE if any(cell["fits"] != "no" for cell in cells) else Exit.DOES_NOT_FIT


def _named(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _tell(cells: list[dict[str, Any]], tokens: int, *, priced: bool) -> None:
    from tunewright.engine.text import size

    say.table(
        ["model", "machine", "way", "verdict", "   expected", "   headroom", "hours", "cost"],
        [
            [
                cell["model"],
                cell["machine"],
                cell["way"],
                cell["fits"],
                f"{size(cell['expected_bytes']):>11}",
                f"{_signed(cell['headroom_bytes']):>11}",
                _range(cell["hours"]) if cell["fits"] != "no" else "-",
                _money(cell["cost"]) if cell["fits"] != "no" else "-",
            ]
            for cell in cells
        ],
    )
    say.line()
    say.line(f"hours for {tokens:,} tokens of training (--tokens), from FLOPs and bandwidth")
    if not priced:
        say.line("cost: name a price file of your own with --prices (tunewright hardware --help)")


def _signed(amount: int) -> str:
    from tunewright.engine.text import size

    return size(amount) if amount >= 0 else f"-{size(-amount)}"


def _range(hours: Any) -> str:
    if hours is None:
        return "unknown"
    return f"{hours.expected:.2f} ({hours.low:.2f}-{hours.high:.2f})"


def _money(cost: dict[str, Any] | None) -> str:
    if cost is None:
        return "-"
    return f"{cost['expected']:.2f} {cost['currency']} ({cost['low']:.2f}-{cost['high']:.2f})"
