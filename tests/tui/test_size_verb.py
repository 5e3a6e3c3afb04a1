"""The verb `size`: its JSON, its flags, its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunewright.tui.cli import run


def sized(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = run(["size", *arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


ON = ("Qwen/Qwen3-8B", "--hardware", "RTX 4090")


def test_the_json_has_bytes_items_and_assumptions(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = sized(capsys, *ON)
    assert code == 0
    assert found["simulated"]
    assert found["fits"] == "fits"
    assert found["expected_bytes"] == sum(item["bytes"] for item in found["items"])
    assert found["low_bytes"] < found["expected_bytes"] < found["high_bytes"]
    assert found["high_bytes"] <= found["safe_bytes"]
    assert found["allocated_bytes"] < found["reserved_bytes"] < found["expected_bytes"]
    assert found["assumptions"]
    assert [way["id"] for way in found["ways"]] == ["lora", "qlora", "full"]
    assert found["reverse"]["largest_model"]["parameters"] > 8e9


def test_flags_change_what_they_name(capsys: pytest.CaptureFixture[str]) -> None:
    base = sized(capsys, *ON, "--method", "lora", "--micro-batch", "1")[1]["expected_bytes"]
    for more in (
        ("--rank", "256"),
        ("--seq-len", "8192"),
        ("--loss-kernel", "plain"),
        ("--trainer", "ppo"),
    ):
        found = sized(capsys, *ON, "--method", "lora", "--micro-batch", "1", *more)[1]
        assert found["expected_bytes"] > base, more


def test_sharding_is_per_device_and_nothing_fitting_is_exit_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = ("meta-llama/Llama-3.1-8B", "--method", "full", "--sharding", "fsdp")
    code, found = sized(capsys, *spec, "--hardware", "8x H100 80GB")
    assert code == 0
    assert found["recommended"] == "full fsdp x8"
    code, found = sized(capsys, *spec, "--hardware", "2x RTX 4090")
    assert code == 3
    assert found["fits"] == "no"
    assert found["changes"]
    assert all(change["way"]["fits"] == "fits" for change in found["changes"])


def test_serving_tells_cache_context_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = sized(capsys, "Qwen/Qwen3-8B", "--serve", "--hardware", "L40S")
    assert code == 0
    assert found["kv_tokens"] > 100_000
    assert found["speed"]["first_token_seconds"]["expected"] > 0
    assert found["users"] > 0
    code, found = sized(capsys, "meta-llama/Llama-3.1-70B", "--serve", "--hardware", "L40S")
    assert (code, found["fits"]) == (3, "no")


def test_a_comparison_has_a_cell_for_each_and_its_cost(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('currency = "EUR"\n[prices."RTX 4090"]\nper_hour = 0.5\n')
    code, found = sized(
        capsys, "--compare", "RTX 4090, L40S", "--models", "Qwen/Qwen3-8B,google/gemma-2-2b",
        "--method", "lora", "--prices", str(prices),
    )  # fmt: skip
    assert code == 0
    assert len(found["cells"]) == 4
    costs = {cell["machine"]: cell["cost"] for cell in found["cells"]}
    assert costs["L40S"] is None
    first = found["cells"][0]
    assert first["cost"]["expected"] == pytest.approx(0.5 * first["hours"]["expected"])


def test_prices_of_a_persons_own_are_told_beside_the_ways(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('currency = "EUR"\n[prices."RTX 4090"]\nper_hour = 0.5\n')
    assert run(["size", *ON, "--prices", str(prices), "--tokens", "1000000"]) == 0
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if line.startswith("cost:")]
    assert "0.50 EUR an hour of 1x RTX 4090 24GB; lora" in line
    monkeypatch.setenv("TUNEWRIGHT_PRICES", str(prices))
    assert run(["size", *ON]) == 0
    assert "--tokens N says how long" in capsys.readouterr().out
    monkeypatch.setenv("TUNEWRIGHT_PRICES", str(tmp_path / "none"))
    assert run(["size", *ON]) == 2
    assert "cannot read the prices" in capsys.readouterr().err


def test_the_quoted_table_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["size", "--table"]) == 0
    told = capsys.readouterr().out
    assert "70B qlora" in told
    assert "36-48 GB" in told


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("Qwen/Qwen3-8B", "--rank", "-1"), "--rank"),
        (("Qwen/Qwen3-8B", "--rank", "9000"), "9000"),
        (("Qwen/Qwen3-8B", "--micro-batch", "0"), "--micro-batch"),
        (("Qwen/Qwen3-8B", "--seq-len", "-5"), "--seq-len"),
        (("Qwen/Qwen3-8B", "--optimizer", "adamoid"), "adamoid"),
        (("Qwen/Qwen3-8B", "--method", "magic"), "magic"),
        (("Qwen/Qwen3-8B", "--targets", "no_such_proj"), "no_such_proj"),
        (("Qwen/Qwen3-9B",), "Qwen3-9B"),
        (("--compare", "RTX 4090"), "compared"),
        (("Qwen/Qwen3-8B", "--serve", "--gpu-share", "2"), "--gpu-share"),
        (("Qwen/Qwen3-8B", "--serve", "--tensor-parallel", "3"), "3"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str
) -> None:
    more = () if "--compare" in arguments else ("--hardware", "RTX 4090")
    assert run(["size", *arguments, *more]) == 2
    shown = capsys.readouterr()
    assert named in shown.err
    assert "Traceback" not in shown.err
    assert "cure" in shown.err
