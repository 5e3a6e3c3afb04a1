"""What a machine costs comes from the person's own file, and what has no price is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunewright.hardware.errors import Problem
from tunewright.hardware.prices import cost_of, load_prices
from tunewright.hardware.whatif import imagine

FILE = """
currency = "EUR"
power_per_kwh = 0.30
[prices."H100"]
per_hour = 2.5
[prices."RTX 4090"]
purchase = 1752
years = 2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(FILE)
    return path


def test_hours_are_added_up_and_purchases_written_off(file: Path) -> None:
    prices = load_prices(file)
    rented = cost_of(imagine("8x H100 80GB"), prices)
    assert rented is not None
    assert (rented.per_hour, rented.currency) == (20.0, "EUR")
    bought = cost_of(imagine("2x RTX 4090"), prices)
    assert bought is not None
    # Twice 1752 EUR over 2 years of 8766 hours, and twice 450 W at 0.30 EUR a kWh.
    assert bought.per_hour == pytest.approx(2 * (1752 / 17532 + 0.135))
    assert "power" in bought.because


def test_a_slice_costs_what_its_gpu_costs(file: Path) -> None:
    sliced = cost_of(imagine("H100 80GB mig 3g.40gb + 3g.40gb"), load_prices(file))
    assert sliced is not None
    assert sliced.per_hour == 2.5


def test_what_has_no_price_is_named_and_not_counted(file: Path) -> None:
    prices = load_prices(file)
    mixed = cost_of(imagine("H100 + T4"), prices)
    assert mixed is not None
    assert mixed.per_hour == 2.5
    assert mixed.missing == ("1 Tesla T4",)
    assert cost_of(imagine("T4"), prices) is None


@pytest.mark.parametrize(
    "text",
    [
        "currency =",
        '[prices."H100"]\nper_hour = 1\n',
        'currency = "EUR"\n[prices."H100"]\nper_hour = -1\n',
        'currency = "EUR"\n[prices."H100"]\nper_hour = 1\npurchase = 2\n',
        'currency = "EUR"\n[prices."H100"]\n',
        'currency = "EUR"\n[prices."RTX 4095"]\nper_hour = 1\n',
        'currency = "EUR"\n[prices."H100"]\nper_day = 1\n',
    ],
)
def test_a_file_that_is_not_clear_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(Problem):
        load_prices(path)
    with pytest.raises(Problem, match="cannot read"):
        load_prices(tmp_path / "none.toml")
