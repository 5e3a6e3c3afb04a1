"""Every way to train on a machine, the cheapest change, and the reverse questions."""

from __future__ import annotations

import msgspec
import pytest

from tunewright.engine.changes import cheapest_changes
from tunewright.engine.choose import Ask, options, recommend
from tunewright.engine.limits import largest_model, longest_rows, most_rows, smallest_machine
from tunewright.engine.quoted_sizes import QUOTED, beside_quoted, told
from tunewright.hardware.catalogue import find_part
from tunewright.hardware.memory.training import estimate_training
from tunewright.hardware.model_catalogue import shape_of
from tunewright.hardware.speed import serving_speed
from tunewright.hardware.whatif import imagine

LLAMA = shape_of("meta-llama/Llama-3.1-8B")
LARGE = shape_of("meta-llama/Llama-3.1-70B")
ONE = imagine("RTX 4090")
EIGHT = imagine("8x H100 80GB")


def test_one_gpu_has_three_ways_and_eight_have_sharded_ones_too() -> None:
    assert [option.id for option in options(LLAMA, ONE, Ask())] == ["lora", "qlora", "full"]
    ids = [option.id for option in options(LLAMA, EIGHT, Ask())]
    assert {"lora", "lora ddp x8", "full zero2 x8", "full fsdp x8", "full zero3 x8"} <= set(ids)


def test_an_option_is_what_its_setup_gives() -> None:
    for option in options(LLAMA, EIGHT, Ask()):
        assert option.estimate == estimate_training(LLAMA, option.setup)
        fits = option.estimate.safe_bytes <= option.free_bytes
        assert (option.verdict == "fits") == fits
        assert option.speed is not None
        assert option.speed.tokens_per_second.low < option.speed.tokens_per_second.high
        assert option.runs_here == (option.sharding in ("none", "ddp"))


def test_of_unlike_gpus_one_trains_alone_and_the_slowest_paces_them_together() -> None:
    def paces(spec: str) -> dict[str, float]:
        found = options(LLAMA, imagine(spec), Ask(method="lora", micro_batch=1))
        return {o.id: o.speed.tokens_per_second.expected for o in found if o.speed is not None}

    fast, slow, both = map(paces, ("2x RTX 4090", "2x RTX 3090", "RTX 4090 + RTX 3090"))
    assert both["lora"] == fast["lora"] > slow["lora"]
    assert both["lora ddp x2"] == pytest.approx(slow["lora ddp x2"], rel=0.05)
    assert both["lora ddp x2"] < fast["lora ddp x2"]


def test_full_fine_tuning_of_8b_fits_eight_gpus_only_when_shared() -> None:
    full = {o.id: o.verdict for o in options(LLAMA, EIGHT, Ask(method="full"))}
    assert full["full"] == full["full ddp x8"] == "no"
    assert full["full zero3 x8"] == full["full fsdp x8"] == "fits"


def test_lora_is_recommended_where_it_fits_and_qlora_where_only_that_does() -> None:
    best, because, rule = recommend(options(LLAMA, ONE, Ask()))
    assert best is not None
    assert (best.id, rule) == ("lora", "size.lora-fits")
    assert "to spare" in because
    small = imagine("RTX 3060 12GB")
    assert recommend(options(LLAMA, small, Ask()))[2] == "size.qlora-fits"
    assert recommend(options(LARGE, small, Ask()))[0] is None


def test_mixed_gpus_are_as_large_as_their_smallest_when_they_share() -> None:
    mixed = imagine("RTX 4090 + RTX 3060 12GB")
    found = {option.id: option.free_bytes for option in options(LLAMA, mixed, Ask())}
    assert found["lora"] > found["lora ddp x2"]


def test_the_longest_rows_and_the_largest_batch_are_the_last_that_fit() -> None:
    ask = Ask(method="lora", sharding="none", checkpointing=True, micro_batch=1)
    length = longest_rows(LLAMA, ONE, ask)
    verdicts = [
        options(LLAMA, ONE, msgspec.structs.replace(ask, seq_len=n))[0].verdict
        for n in (length, length + 1)
    ]
    assert verdicts[0] == "fits"
    assert verdicts[1] != "fits"
    rows = most_rows(LLAMA, ONE, Ask(method="qlora", sharding="none", seq_len=512))
    more = Ask(method="qlora", sharding="none", seq_len=512, micro_batch=rows + 1)
    assert options(LLAMA, ONE, more)[0].verdict != "fits"


def test_the_largest_model_and_the_smallest_machine() -> None:
    found = largest_model(ONE, Ask())
    assert found is not None
    assert found[1].parameters > LLAMA.parameters
    assert found[2].verdict == "fits"
    box = smallest_machine(LARGE, Ask(method="qlora"))
    assert box is not None
    count, part, option = box
    assert option.verdict == "fits"
    assert count * part.memory_bytes < 100 << 30


def test_where_nothing_fits_the_cheapest_change_comes_first_and_really_fits() -> None:
    ask = Ask(method="full", checkpointing=False, micro_batch=8, sharding="none")
    changes = cheapest_changes(LLAMA, ONE, ask)
    assert changes
    assert all(change.option.verdict == "fits" for change in changes)
    words = [change.what for change in changes]
    assert words.index("--method lora") < words.index("--method qlora")
    assert words[-1].startswith("another machine")


@pytest.mark.parametrize("row", QUOTED, ids=lambda row: row.sizes)
def test_the_quoted_table_stands_beside_our_figures_with_the_reason(row: object) -> None:
    mine = [one for one in beside_quoted() if one.sizes == row.sizes]  # type: ignore[attr-defined]
    assert {one.method for one in mine} == {"qlora", "full"}
    for one in mine:
        assert one.quoted in told(one)
        if not one.agrees:
            assert one.why


def test_70b_in_4_bits_is_told_with_what_was_measured() -> None:
    said = [told(one) for one in beside_quoted() if one.sizes == "70B" and one.method == "qlora"]
    assert "54.9 to 75.6 GiB" in said[0]


def test_more_rows_at_once_are_slower_each_and_faster_in_all() -> None:
    part = find_part("L40S")
    one, many = (
        serving_speed(LLAMA, "bfloat16", part, rows=rows, prompt=1024, context=2048)
        for rows in (1, 32)
    )
    assert one.row_tokens_per_second.expected > many.row_tokens_per_second.expected
    assert one.tokens_per_second.expected < many.tokens_per_second.expected
    # 16 GB of weights at 864 GB/s: no more than 54 tokens/s.
    assert one.row_tokens_per_second.high < 54
    assert many.users(1) == 32
    assert many.users(10_000) == 0
