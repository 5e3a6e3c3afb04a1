"""How sure a figure is: intervals and paired tests, seeded, from the standard library alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import comb, fsum

import msgspec

CONFIDENCE = 0.95
RESAMPLES = 10_000
_ENUMERATE_UP_TO = 12


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mean over `rows` with its interval at `confidence`. `method` names how it was made."""

    mean: float
    low: float
    high: float
    rows: int
    method: str
    confidence: float = CONFIDENCE


class PairedTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paired comparison on the same rows: mean of (after - before) with its interval, rows won
    and lost, and the two-sided p value of "no difference" under `test`."""

    difference: Interval
    won: int
    lost: int
    p_value: float
    test: str


def bootstrap_interval(
    values: Sequence[float],
    *,
    seed: int,
    bounds: tuple[float, float] = (0.0, 1.0),
    resamples: int = RESAMPLES,
) -> Interval:
    """95 % percentile bootstrap of the mean of `values`, which lie in `bounds`.

    Rows are resampled with replacement (Efron 1979). When all values are equal every resample is
    the same and the bootstrap would claim certainty; the exact bound replaces it. With n equal
    values v, the chance q of drawing v is at least (α/2)^(1/n), and the rest can lie anywhere in
    bounds: q·v + (1-q)·bounds. At 0 % and 100 % that is the Clopper-Pearson interval.

    Raises ValueError without values or with one outside `bounds`.
    """
    n = len(values)
    if not n:
        raise ValueError("an interval needs at least one row")
    lowest, highest = bounds
    if min(values) < lowest or max(values) > highest:
        raise ValueError(f"values outside {lowest}..{highest}")
    mean = fsum(values) / n
    alpha = 1 - CONFIDENCE
    if min(values) == max(values):
        q = (alpha / 2) ** (1 / n)
        v = values[0]
        low = q * v + (1 - q) * lowest
        high = q * v + (1 - q) * highest
        return Interval(mean, min(low, mean), max(high, mean), n, "exact bound, all rows equal")
    rng = random.Random(seed)
    means = sorted(fsum(rng.choices(values, k=n)) / n for _ in range(resamples))
    low = _quantile(means, alpha / 2)
    high = _quantile(means, 1 - alpha / 2)
    return Interval(mean, low, high, n, f"percentile bootstrap, {resamples} resamples")


def mcnemar(before: Sequence[int], after: Sequence[int]) -> tuple[int, int, float]:
    """Rows won, rows lost, and the exact two-sided p value (McNemar 1947, binomial form).

    Only rows that changed carry information: under "no difference" each was won with chance 1/2.
    """
    won = sum(1 for b, a in zip(before, after, strict=True) if a and not b)
    lost = sum(1 for b, a in zip(before, after, strict=True) if b and not a)
    changed = won + lost
    tail = sum(comb(changed, k) for k in range(min(won, lost) + 1))
    return won, lost, min(1.0, 2 * tail / 2**changed)


def sign_flip_test(differences: Sequence[float], *, seed: int, flips: int = 20_000) -> float:
    """Two-sided p value that the mean of paired `differences` is 0, by flipping their signs.

    Up to 12 rows that differ, every one of the 2^n patterns is counted; beyond, `flips` random
    ones, and the observed pattern counts itself, so p is never below 1/(flips + 1).
    """
    moved = [d for d in differences if d]
    n = len(moved)
    if not n:
        return 1.0
    # Sums in a different order differ in the last bits: a tie must count as a tie.
    reach = abs(fsum(moved)) - 1e-9
    if n <= _ENUMERATE_UP_TO:
        extreme = sum(abs(_flipped(moved, pattern)) >= reach for pattern in range(2**n))
        return float(extreme / 2**n)
    rng = random.Random(seed)
    extreme = sum(abs(_flipped(moved, rng.getrandbits(n))) >= reach for _ in range(flips))
    return float((extreme + 1) / (flips + 1))


def compare_binary(before: Sequence[int], after: Sequence[int], *, seed: int) -> PairedTest:
    """0/1 outcomes on the same rows: exact McNemar, and a paired bootstrap of the difference."""
    won, lost, p = mcnemar(before, after)
    differences = [float(a - b) for b, a in zip(before, after, strict=True)]
    interval = bootstrap_interval(differences, seed=seed, bounds=(-1.0, 1.0))
    return PairedTest(interval, won, lost, p, "exact McNemar")


def compare_means(before: Sequence[float], after: Sequence[float], *, seed: int) -> PairedTest:
    """Figures in 0..1 on the same rows: sign-flip permutation test, paired bootstrap."""
    differences = [a - b for b, a in zip(before, after, strict=True)]
    return PairedTest(
        bootstrap_interval(differences, seed=seed, bounds=(-1.0, 1.0)),
        sum(d > 0 for d in differences),
        sum(d < 0 for d in differences),
        sign_flip_test(differences, seed=seed),
        "paired sign-flip permutation",
    )


def percent(interval: Interval) -> str:
    """The mean and its 95 % interval, as in "84.4 % [74, 92]"."""
    return f"{100 * interval.mean:.1f} % [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def p_text(p: float) -> str:
    """A p value as in "p = 0.031", or the power of ten that it is below."""
    below = next((exponent for exponent in (12, 9, 6, 4, 3) if p < 10**-exponent), None)
    return f"p = {p:.3f}" if below is None else f"p < 1e-{below}"


def _flipped(values: list[float], pattern: int) -> float:
    return fsum(-v if pattern >> i & 1 else v for i, v in enumerate(values))


def _quantile(ordered: list[float], share: float) -> float:
    """Linear interpolation between order statistics (the default of numpy and R's type 7)."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
