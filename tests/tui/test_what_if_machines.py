"""--hardware: plans on a machine that is not here, and refuses to launch on one."""

from __future__ import annotations

import json
from pathlib import Path

from live import Live

BOX = "2x RTX 4090 + 64GB RAM"


def plan_of(text: str) -> dict[str, object]:
    return dict(json.loads(text)["plan"])


def test_a_dry_run_plans_on_an_invented_machine_and_a_replay_finds_the_same_plan(
    live: Live, tmp_path: Path
) -> None:
    words = ("train", str(live.model), str(live.train), "--hardware", BOX)
    session = tmp_path / "s.json"
    planned = plan_of(live(*words, "--dry-run", "--json", "--save", str(session)).stdout)
    assert planned["device"]["value"] == "cuda"  # type: ignore[index]
    assert planned["devices"][0]["name"] == "NVIDIA GeForce RTX 4090"  # type: ignore[index]
    assert "SIM cuda" in live(*words, "--dry-run").stdout
    assert "plan: as recorded" in live("--replay", str(session), "--dry-run").stdout

    # Another machine of the same kind gives the same plan; a CPU does not.
    same = live("--replay", str(session), "--dry-run", "--hardware", "RTX 4090")
    assert "plan: as recorded" in same.stdout
    other = live("--replay", str(session), "--dry-run", "--hardware", "64GB RAM", code=5)
    assert "plan.device.value: cuda -> cpu" in other.stderr


def test_nothing_is_launched_on_it(live: Live, tmp_path: Path) -> None:
    words = ("train", str(live.model), str(live.train), "--hardware", BOX)
    assert "nothing can be launched" in live(*words, code=2).stderr
    session = tmp_path / "s.json"
    live(*words, "--dry-run", "--save", str(session))
    refused = live("--replay", str(session), "--on", "recorded", code=2)
    assert "--on here" in refused.stderr
    assert not list((tmp_path / "home").glob("runs/*"))


def test_sizing_goes_by_it(live: Live) -> None:
    sized = json.loads(live("size", str(live.model), "--hardware", "DGX Spark", "--json").stdout)
    assert sized["simulated"] is True
    assert "GB10" in sized["device"]["because"]


def test_a_device_is_chosen_by_number_and_one_that_is_not_there_is_refused(
    live: Live, tmp_path: Path
) -> None:
    words = ("train", str(live.model), str(live.train), "--hardware", BOX, "--dry-run")
    assert "no device of this machine" in live(*words, "--device", "7", code=2).stderr
    session = tmp_path / "s.json"
    chosen = live(*words, "--device", "1", "--save", str(session)).stdout
    assert "asked for; GPU 1" in chosen
    # On a machine that has no such device a replay says so, and takes the one that is named.
    replay = ("--replay", str(session), "--dry-run", "--hardware", "RTX 4090")
    assert "no device of this machine" in live(*replay, code=2).stderr
    assert "plan: as recorded" in live(*replay, "--device", "0").stdout
