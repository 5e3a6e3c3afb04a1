"""What a field offers while a machine is described."""

from __future__ import annotations

import pytest

from tunewright.hardware.catalogue import catalogue
from tunewright.hardware.suggest import suggestions
from tunewright.hardware.whatif import imagine


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("", catalogue()[0].name),
        ("h200", "H200 SXM 141GB"),
        ("8x h2", "8x H20 96GB"),
        ("RTX 4090 + RTX 30", "RTX 4090 + RTX 3050 8GB"),
        ("RTX 4090, 2 x 4090 d", "RTX 4090, 2 x RTX 4090 D 24GB"),
        ("A100 80GB mig", "A100 SXM 80GB mig 1g.10gb"),
        ("2x A100 80GB mig 3", "2x A100 SXM 80GB mig 3g.40gb"),
        ("RTX 4095", "RTX 4090 24GB"),
    ],
)
def test_what_is_begun_goes_on_with_the_catalogue(typed: str, first: str) -> None:
    assert suggestions(typed)[0] == first


@pytest.mark.parametrize("typed", ["", "8x", "8x h1", "A100 mig", "RTX 4090 + ", "rtx", "orin"])
def test_everything_offered_is_a_machine(typed: str) -> None:
    offered = suggestions(typed)
    assert offered
    for whole in offered:
        assert imagine(whole).gpus


@pytest.mark.parametrize("typed", ["qqqqqq", "RTX 4090 mig", "zzz mig 1", "\n\x1b[2J", "x" * 5000])
def test_what_nothing_goes_on_from_is_offered_nothing(typed: str) -> None:
    assert suggestions(typed) == []
