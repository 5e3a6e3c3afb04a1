"""`size MODEL --trace`: the traced step beside the closed form, through the real program."""

from __future__ import annotations

import json

from live import Live


def test_the_trace_stands_beside_the_closed_form(live: Live) -> None:
    asked = ("size", str(live.model), "--method", "lora", "--max-length", "128", "--trace")
    data = json.loads(live(*asked, "--json").stdout)["trace"]

    assert data["allocated_bytes"] == max(data["phases"].values())
    assert sum(data["items"].values()) == data["allocated_bytes"]
    assert data["at_peak"][0]["bytes"] > 0
    assert data["layers"] == data["layers_traced"] == 2

    # Kept from the first time, so this takes no time.
    told = live(*asked).stdout
    assert "traced" in told
    assert "largest at the peak" in told
    assert data["peak_phase"] in told


def test_a_trace_needs_a_model(live: Live) -> None:
    failed = live("size", "--trace", code=2)

    assert "--trace" in failed.stderr
    assert "Traceback" not in failed.stderr
