"""What a machine costs, by a price file of the person's own; none ships, since prices move.

currency = "EUR"
power_per_kwh = 0.30              # optional: adds the boards' power to what was bought

[prices."H100 SXM 80GB"]
per_hour = 2.40

[prices."RTX 4090"]
purchase = 1900
years = 3                         # over which it is written off, running all the time
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tunewright.hardware.catalogue import find_part, part_of
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Gpu, Snapshot

_HOURS_A_YEAR = 365.25 * 24


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one device: by the hour, or bought and written off over `years` of running."""

    per_hour: float | None = None
    purchase: float | None = None
    years: float = 3.0


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price file; `prices` by the catalogue's names, or what people call a part."""

    currency: str
    prices: dict[str, Price]
    power_per_kwh: float | None = None


class Cost(msgspec.Struct, frozen=True):
    """`per_hour` of a whole machine in `currency`, and how it comes about; devices without a price
    are in `missing`, and not in the sum."""

    per_hour: float
    currency: str
    because: str
    missing: tuple[str, ...] = ()


def own_prices(given: Path | None = None) -> Prices | None:
    """The price file that was `given`, else the one that TUNEWRIGHT_PRICES names; None for neither.
    `Problem` as `load_prices`."""
    named = given or os.environ.get("TUNEWRIGHT_PRICES")
    return load_prices(Path(named).expanduser()) if named else None


def load_prices(path: Path) -> Prices:
    """The price file at `path`; a `Problem` that says what of it is not understood."""
    import tomllib

    cure = "an example stands in the documentation of --prices: tunewright hardware --help"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        prices = msgspec.convert(raw, Prices)
    except OSError as error:
        raise Problem(
            f"cannot read the prices {path}", why=str(error.strerror or error), cure=cure
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Problem(f"{path} is no price file", why=str(error), cure=cure) from error
    for name, price in prices.prices.items():
        find_part(name)
        given = [value for value in (price.per_hour, price.purchase) if value is not None]
        if len(given) != 1 or given[0] < 0 or price.years <= 0:
            raise Problem(
                f"{path}: the price of {name!r} is not clear",
                why="it has either per_hour or purchase, not below 0, and years above 0",
                cure=cure,
            )
    return prices


def cost_of(machine: Snapshot, prices: Prices) -> Cost | None:
    """What an hour of the machine's GPUs costs; None when none of them has a price.

    A slice costs what its GPU costs: the rest of it has to be paid too, unless others use it.
    """
    by_part = {find_part(name).name: price for name, price in prices.prices.items()}
    total, told, missing = 0.0, dict[str, int](), list[str]()
    rented = True
    for gpu in _paid_for(machine):
        part = part_of(gpu)
        price = by_part.get(part.name) if part is not None else None
        if part is None or price is None:
            missing.append(f"{gpu.label} {gpu.name}")
            continue
        told[part.name] = told.get(part.name, 0) + 1
        if price.per_hour is not None:
            total += price.per_hour
            continue
        rented = False
        total += (price.purchase or 0.0) / (price.years * _HOURS_A_YEAR)
        total += (prices.power_per_kwh or 0.0) * part.watts / 1000
    if not told:
        return None
    because = " + ".join(f"{count}x {name}" for name, count in told.items())
    if not rented:
        because += ", what was bought written off over its years"
        because += ", with the boards' power" if prices.power_per_kwh else ", without power"
    return Cost(total, prices.currency, because, tuple(missing))


def _paid_for(machine: Snapshot) -> list[Gpu]:
    """Whole GPUs, and of those in slices each once."""
    whole = [gpu for gpu in machine.gpus if gpu.mig is None]
    return [*whole, *machine.split]
