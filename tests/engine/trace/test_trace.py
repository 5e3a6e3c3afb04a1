"""A trace by its worker: real libraries on fake tensors, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from traced import LORA, answers, full, llama, step, traced

from tunewright.engine.trace.setup import Answer, Order, TraceResult, TraceSetup
from tunewright.engine.trace.trace import _kept, trace
from tunewright.hardware.errors import Exit, Problem

MOE = {
    "model_type": "qwen3_moe",
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
}
STEPS: dict[str, TraceSetup] = {
    "lora": step(),
    "lora, checkpointed": step(gradient_checkpointing=True),
    "lora, accumulating, masked": step(gradient_accumulation=True, masked=True),
    "lora, dropout": step(adapter=LORA | {"lora_dropout": 0.1}),
    "dora": step(adapter=LORA | {"use_dora": True}),
    "qlora": step(weights="nf4", adapter_dtype="bfloat16", optimizer="paged_adamw_8bit"),
    "full": full(),
    "full, checkpointed": full(gradient_checkpointing=True, optimizer="adafactor"),
    "full, 8-bit": full(optimizer="adamw_bnb_8bit"),
    "full, sgd": full(optimizer="sgd"),
    "full, lion": full(optimizer="lion_32bit"),
    "full, foreach": full(optimizer="adamw_torch"),
    "plain loss": step(loss="plain"),
    "fused loss": step(loss="fused"),
    "eager": step(attention="eager", masked=True),
    "flash": step(attention="flash_attention_2", masked=True),
    "masked": step(masked=True),
    "packed": step(packed=True, masked=True),
    "expandable": full(expandable_segments=True),
    "dpo": step(trainer="dpo", masked=True, gradient_checkpointing=True),
    "dpo, flash": step(trainer="dpo", masked=True, attention="flash_attention_2"),
    "dpo, full": full(trainer="dpo", masked=True),
    "on a cpu": full(device="cpu", weights="float32", autocast=None, compute="float32"),
}


ORDERS = {name: Order(llama(7), setup) for name, setup in STEPS.items()} | {
    "moe": Order(llama(7, **MOE), step())
}
WIDE = Order(
    llama(6, intermediate_size=8192, vocab_size=64),
    step(
        weights="nf4", adapter_dtype="bfloat16", micro_batch=1, seq_len=8,
        gradient_checkpointing=True,
    ),
)  # fmt: skip
SHARDED = Order(llama(7), full(sharding="fsdp", devices=4, gradient_checkpointing=True))
REPLICATED = ("lora", "full", "full, checkpointed", "dpo, full")
ACCUMULATING = full(gradient_accumulation=True, sharding="ddp", devices=4)
REFUSED = {
    "unknown architecture": (
        Order(llama(4, model_type="nothing"), step()),
        "transformers has no model_type 'nothing'",
    ),
    "no language model": (
        Order({"model_type": "vit", "hidden_size": 64}, step()),
        "no causal language model",
    ),
    "absurd config": (Order(llama(4, pad_token_id=9999), step()), "Padding_idx"),
    "unknown target": (
        Order(llama(4), step(adapter=LORA | {"target_modules": ["nowhere"]})),
        "nowhere",
    ),
    "unknown adapter": (Order(llama(4), step(adapter={"peft_type": "MAGIC"})), "attached"),
    "unknown optimizer": (Order(llama(4), step(optimizer="magic")), "magic"),
    "dora on nf4": (
        Order(llama(4), step(weights="nf4", adapter=LORA | {"use_dora": True})),
        "norm",
    ),
}
# The rest of them wait for the slow tier.
COMPARED = ("lora, checkpointed", "qlora", "full", "dpo", "dpo, full")


def whole(order: Order) -> Order:
    """The same with every layer traced."""
    return Order(order.config, msgspec.structs.replace(order.setup, every_layer=True))


@pytest.fixture(scope="module")
def answered() -> dict[str, Answer]:
    """Every answer that the tests of the fast tier look at."""
    asked = ORDERS | {f"whole {name}": whole(ORDERS[name]) for name in COMPARED}
    asked |= {"wide": WIDE, "sharded": SHARDED, "accumulating": Order(llama(7), ACCUMULATING)}
    asked |= {
        f"replicated {name}": Order(
            llama(7), msgspec.structs.replace(STEPS[name], sharding="ddp", devices=4)
        )
        for name in REPLICATED
    }
    asked |= {f"refused {name}": order for name, (order, _) in REFUSED.items()}
    return dict(zip(asked, answers(*asked.values()), strict=True))


@pytest.fixture(scope="module")
def results(answered: dict[str, Answer]) -> dict[str, TraceResult]:
    """Each step with four of seven layers traced."""
    return {name: result_of(answered[name]) for name in ORDERS}


def result_of(answer: Answer) -> TraceResult:
    assert answer.result is not None, answer.refusal
    return answer.result


def assert_the_same(name: str, few: TraceResult, every: TraceResult) -> None:
    assert (few.layers_traced, every.layers_traced) == (4, 7)
    for field in ("allocated_bytes", "reserved_bytes", "phases", "items", "at_peak"):
        assert getattr(few, field) == getattr(every, field), (name, field)


@pytest.mark.parametrize("name", COMPARED)
def test_four_equal_layers_tell_what_all_would(name: str, results: Any, answered: Any) -> None:
    assert_the_same(name, results[name], result_of(answered[f"whole {name}"]))


@pytest.mark.slow
def test_four_equal_layers_tell_what_all_would_in_every_step(results: Any) -> None:
    names = [name for name in ORDERS if name not in COMPARED]
    every = traced({name: whole(ORDERS[name]) for name in names})
    for name in names:
        assert_the_same(name, results[name], every[name])


@pytest.mark.parametrize("name", ORDERS)
def test_the_families_at_the_peak_add_up_to_it(name: str, results: Any) -> None:
    result: TraceResult = results[name]

    # Blocks that are not split are larger than what they hold.
    assert 0 <= result.allocated_bytes - sum(result.items.values()) <= 0.02 * result.allocated_bytes
    assert result.allocated_bytes == max(result.phases.values())
    assert result.phases[result.peak_phase] == result.allocated_bytes
    assert result.reserved_bytes is None or result.reserved_bytes >= result.allocated_bytes


def test_weights_and_adapters_are_those_of_the_configuration(results: Any) -> None:
    width, mlp, kv, layers, rank = 128, 352, 64, 7, 8
    linears = [(width, width), (width, kv), (width, kv), (width, width)]
    linears += [(width, mlp), (width, mlp), (mlp, width)]
    in_linears = layers * sum(a * b for a, b in linears)
    rest = 4000 * width + (2 * layers + 1) * width
    adapters = layers * rank * sum(a + b for a, b in linears)

    lora, quantised = results["lora"], results["qlora"]
    # Fifteen norms of 256 bytes take 512 each, and there are two position tables.
    assert lora.items["weights"] == 2 * (in_linears + rest) + 15 * 256 + 2 * 512
    assert lora.items["adapters"] == 4 * adapters
    assert lora.trained_parameters == adapters
    assert quantised.items["adapters"] == 2 * adapters
    # 4 bits, an 8-bit scale for 64 and a float32 one for 64 x 256.
    bits = 4 + 8 / 64 + 32 / (64 * 256)
    packed = in_linears * bits / 8 + 2 * rest
    # Tables of the nf4 values, and rounding, in seven tensors for each of 49 linears.
    assert 0 <= quantised.items["weights"] - packed <= 49 * 7 * 1024
    assert results["full"].trained_parameters == in_linears + rest


def test_a_shard_holds_its_part_and_the_unit_that_runs(results: Any, answered: Any) -> None:
    whole, part = results["full"], result_of(answered["sharded"])
    width, mlp, kv = 128, 352, 64
    layer = 2 * width * (width + kv) + 3 * width * mlp + 2 * width
    trained = whole.trained_parameters

    assert part.trained_parameters == trained
    # A quarter of the float32 weights, and of the two states.
    assert part.phases["weights"] == pytest.approx(trained, rel=0.05)
    assert part.items["optimizer"] == pytest.approx(2 * trained, rel=0.05)
    # Beside them the embeddings, which stay gathered, and at least the layer that runs, in 16 bits.
    assert part.items["weights"] - trained >= 2 * (4000 * width + layer)
    assert part.allocated_bytes < whole.allocated_bytes
    assert any("FSDP2 on 4 devices" in assumption for assumption in part.assumptions)


@pytest.mark.parametrize("name", REPLICATED)
def test_ddp_holds_every_trained_parameter_once_more_in_buckets(
    name: str, results: Any, answered: Any
) -> None:
    alone, one_of_four = results[name], result_of(answered[f"replicated {name}"])
    more = one_of_four.allocated_bytes - alone.allocated_bytes
    of_each = 4 if name == "lora" else 2

    # Beside the buckets some kilobytes, of rounding and of the reducer.
    assert more == pytest.approx(of_each * alone.trained_parameters, rel=0.01)
    assert one_of_four.trained_parameters == alone.trained_parameters
    assert any("DDP on 4 devices" in assumption for assumption in one_of_four.assumptions)


def test_gradients_that_accumulate_stand_beside_the_buckets(answered: Any) -> None:
    found = result_of(answered["accumulating"])

    assert found.peak_phase == "backward_more"
    both = 2 * 2 * found.trained_parameters
    assert found.items["gradients"] == pytest.approx(both, rel=0.05)


def test_dpo_runs_pairs_and_a_reference_without_gradients(results: Any) -> None:
    adapted, whole = results["dpo"], results["dpo, full"]

    # Each model in 16 bits: the adapter's reference is its own base, full training holds a second.
    assert adapted.items["weights"] == results["lora"].items["weights"]
    assert whole.items["weights"] == 2 * results["full"].items["weights"]
    assert whole.trained_parameters == results["full"].trained_parameters
    assert {"forward", "reference", "backward"} <= set(adapted.phases)
    assert any("2 pairs, both answers of 192" in said for said in adapted.assumptions)
    # Twice the rows of SFT.
    assert adapted.allocated_bytes > 1.5 * results["lora, checkpointed"].allocated_bytes


def test_methods_and_settings_order_as_they_should(results: Any) -> None:
    peak = {name: result.allocated_bytes for name, result in results.items()}

    assert peak["lora, checkpointed"] < peak["lora"] < peak["dora"]
    assert peak["qlora"] < peak["lora"] < peak["lora, dropout"]
    assert peak["full, sgd"] < peak["full, 8-bit"] < peak["full"]
    assert peak["full, lion"] > peak["full, 8-bit"]
    assert peak["fused loss"] < peak["lora"]
    assert peak["eager"] > peak["masked"] > peak["lora"] == peak["flash"]
    assert results["full, foreach"].phases["optimizer"] > results["full"].phases["optimizer"]
    assert results["expandable"].reserved_bytes <= results["full"].reserved_bytes


def test_the_states_of_an_optimizer_are_counted(results: Any) -> None:
    held = {name: results[name].items.get("optimizer", 0) for name in STEPS}
    trained = results["full"].trained_parameters

    assert held["full"] == pytest.approx(2 * 2 * trained, rel=0.03)
    assert held["full, 8-bit"] == pytest.approx(2 * trained, rel=0.05)
    assert held["full, sgd"] < 0.01 * trained
    # No tensor here is large enough for bitsandbytes to page it.
    assert held["qlora"] > 0


def test_a_dequantised_weight_is_seen_in_the_middle_of_a_product(answered: Any) -> None:
    assert result_of(answered["wide"]).items["dequantise"] >= 2 * 128 * 8192


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_named(name: str, answered: Any) -> None:
    refusal = answered[f"refused {name}"].refusal

    assert refusal is not None
    assert REFUSED[name][1] in refusal.why + refusal.what
    assert refusal.cure
    assert "\n" not in refusal.what + refusal.why


def write(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("config", "setup", "said"),
    [
        (llama(4), step(micro_batch=0), "a batch of 0 rows"),
        (llama(4), step(micro_batch=-3), "a batch of -3 rows"),
        (llama(4), step(seq_len=0), "0 tokens"),
        (llama(4), step(adapter=LORA | {"r": 129}), "rank 129"),
        (llama(4), step(adapter=LORA | {"r": 0}), "rank 0"),
        (llama(4), full(weights="nf4"), "4-bit weights cannot be trained"),
        (llama(4), step(trainer="dpo", loss="plain"), "step of DPO"),
        (llama(4), step(trainer="dpo", packed=True), "step of DPO"),
        (llama(4), step(trainer="dpo", sharding="fsdp", devices=2), "step of DPO"),
        (llama(4), step(sharding="ddp", devices=1), "1 devices"),
        (llama(4), step(sharding="ddp", devices=2, loss="fused"), "Liger"),
        (llama(4, hidden_size=-1), step(), "does not describe"),
        (llama(4, num_hidden_layers="many"), step(), "does not describe"),
        ({"model_type": "llama"}, step(), "does not describe"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    tmp_path: Path, config: dict[str, Any], setup: TraceSetup, said: str
) -> None:
    with pytest.raises(Problem) as caught:
        trace(write(tmp_path, config), setup, python="/nonexistent/python")

    assert said in caught.value.what


@pytest.mark.parametrize(
    ("python", "why"),
    [("/bin/false", "exit code 1"), ("/bin/true", "cannot be read"), ("/nowhere", "No such file")],
)
def test_a_worker_that_dies_is_told_with_its_reason(tmp_path: Path, python: str, why: str) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(Problem) as caught:
        trace(write(tmp_path / "m", llama(4)), step(), cache=cache, python=python)

    assert why in caught.value.why
    assert caught.value.exit == Exit.FAILED
    assert "--trace" in caught.value.cure
    assert not list(cache.rglob("*"))


def test_a_worker_that_is_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    killed = tmp_path / "python"
    killed.write_text("#!/bin/sh\necho Out of memory >&2\nkill -9 $$\n")
    killed.chmod(0o755)

    with pytest.raises(Problem) as caught:
        trace(write(tmp_path / "m", llama(4)), step(), python=str(killed))
    assert caught.value.why.endswith("signal 9; Out of memory")


def test_a_trace_is_kept_and_told_again(tmp_path: Path) -> None:
    folder, cache = write(tmp_path / "m", llama(6)), tmp_path / "cache"
    first = trace(folder, step(), cache=cache)
    (kept,) = (cache / "traces").iterdir()
    marked = kept.read_text().replace(f'"seconds":{first.seconds}', '"seconds":123.5')
    kept.write_text(marked)

    # A note for people changes no memory, a setting does.
    write(folder, llama(6, _name_or_path="elsewhere"))
    assert trace(folder / "config.json", step(), cache=cache).seconds == 123.5
    shorter = trace(folder, step(seq_len=191), cache=cache)
    assert shorter.allocated_bytes < first.allocated_bytes
    assert len(list((cache / "traces").iterdir())) == 2


def test_a_kept_trace_that_is_cut_off_is_not_believed(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text('{"allocated_bytes": 5')

    assert _kept(kept) is None
    assert _kept(tmp_path / "absent.json") is None


def test_asking_for_a_trace_imports_nothing_heavy() -> None:
    code = (
        "import sys, tunewright.engine.trace.trace, tunewright.engine.trace.mapping; "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "transformers", "peft", "trl", "numpy"} & set(done.stdout.split())
