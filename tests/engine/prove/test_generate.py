"""Batches, a shared prefix and leaving rows change nothing about an answer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tunewright.engine.prove.generate import greedy_answers, split_shared
from tunewright.engine.prove.threads import Threads
from tunewright.engine.run.job import Stopped


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32").eval()


def prompts_of(lengths: list[int], seed: int = 3) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(4, 448) for _ in range(length)] for length in lengths]


def plain_generate(model: Any, ids: list[int], eos: list[int], new: int) -> list[int]:
    """What a person gets from the library for one prompt, without the end token."""
    import torch

    out = model.generate(
        torch.tensor([ids]), do_sample=False, max_new_tokens=new, eos_token_id=eos, pad_token_id=3
    )[0, len(ids) :].tolist()
    return out[:-1] if out and out[-1] in eos else out


def some_eos(model: Any, prompts: list[list[int]], prefix: list[int]) -> list[int]:
    """Tokens that make some rows end early and others not, so that rows leave the batch."""
    answers = [plain_generate(model, prefix + p, [447], 12) for p in prompts]
    return [answers[0][3], answers[1][6]]


@pytest.mark.parametrize("prefix_length", [0, 1, 37])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_batched_answers_with_a_cached_prefix_equal_plain_generation_one_by_one(
    model: Any, prefix_length: int, batch_size: int
) -> None:
    prompts = prompts_of([5, 1, 19, 8, 8, 30, 2])
    prefix = prompts_of([prefix_length], seed=9)[0]
    eos = some_eos(model, prompts, prefix)
    expected = [plain_generate(model, prefix + p, eos, 12) for p in prompts]
    assert len({len(answer) for answer in expected}) > 1, "some rows must end before others"
    assert expected == greedy_answers(
        model, prompts, eos_ids=eos, max_new_tokens=12, batch_size=batch_size, prefix=prefix
    )


def test_a_model_with_a_sliding_window_answers_the_same(tmp_path: Path) -> None:
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=448, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=16, initializer_range=0.3,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval()
    prompts, prefix = prompts_of([4, 11, 23]), prompts_of([9], seed=5)[0]
    expected = [plain_generate(model, prefix + p, [447], 10) for p in prompts]
    assert expected == greedy_answers(
        model, prompts, eos_ids=[447], max_new_tokens=10, batch_size=3, prefix=prefix
    )


def test_a_recurrent_model_is_answered_row_by_row() -> None:
    import torch
    from transformers import Qwen3NextConfig, Qwen3NextForCausalLM

    torch.manual_seed(0)
    config = Qwen3NextConfig(
        vocab_size=448, hidden_size=64, intermediate_size=96, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_experts=2,
        num_experts_per_tok=1, moe_intermediate_size=32, shared_expert_intermediate_size=32,
        linear_num_key_heads=2, linear_num_value_heads=2, linear_key_head_dim=16,
        linear_value_head_dim=16, initializer_range=0.3,
    )  # fmt: skip
    model = Qwen3NextForCausalLM(config).eval()
    prompts, prefix = prompts_of([4, 11]), prompts_of([9], seed=5)[0]
    expected = [plain_generate(model, prefix + p, [447], 6) for p in prompts]
    assert expected == greedy_answers(
        model, prompts, eos_ids=[447], max_new_tokens=6, batch_size=2, prefix=prefix
    )


def test_an_adapter_takes_part(model: Any, tiny_model: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32")
    tuned = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear"))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    prompts, prefix = prompts_of([6, 9]), prompts_of([5], seed=5)[0]
    tuned.eval()
    expected = [plain_generate(tuned, prefix + p, [447], 8) for p in prompts]
    got = greedy_answers(
        tuned, prompts, eos_ids=[447], max_new_tokens=8, batch_size=2, prefix=prefix
    )
    assert got == expected
    assert got != greedy_answers(
        model, prompts, eos_ids=[447], max_new_tokens=8, batch_size=2, prefix=prefix
    )


def test_an_order_to_stop_is_obeyed_between_two_tokens(model: Any) -> None:
    passes = 0

    def stop_at_the_fifth() -> None:
        nonlocal passes
        passes += 1
        if passes == 5:
            raise Stopped("asked to stop")

    with pytest.raises(Stopped):
        greedy_answers(
            model, prompts_of([5]), eos_ids=[447], max_new_tokens=50, batch_size=1,
            between_steps=stop_at_the_fifth,
        )  # fmt: skip
    assert passes == 5


def test_answers_are_told_one_by_one_and_mode_and_threads_left_as_found(model: Any) -> None:
    import torch

    before = torch.get_num_threads()
    model.train()
    seen: dict[int, list[int]] = {}
    answers = greedy_answers(
        model, prompts_of([3, 5, 4]), eos_ids=[447], max_new_tokens=2, batch_size=2,
        threads=Threads(prefill=before + 1, decode=before + 2), on_answer=seen.__setitem__,
    )  # fmt: skip
    assert list(seen) == [0, 2, 1], "shortest first, each as soon as it is finished"
    assert [seen[row] for row in range(3)] == answers
    assert torch.get_num_threads() == before
    assert model.training
    model.eval()


def test_the_shared_prefix_leaves_every_prompt_a_token() -> None:
    assert split_shared([[1, 2, 3, 4], [1, 2, 9]]) == ([1, 2], [[3, 4], [9]])
    assert split_shared([[1, 2], [1, 2, 3]]) == ([1], [[2], [2, 3]])
    assert split_shared([[1, 2, 3]]) == ([1, 2], [[3]])
    assert split_shared([[1], [2]]) == ([], [[1], [2]])
    assert split_shared([]) == ([], [])


def test_an_empty_prompt_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="without tokens"):
        greedy_answers(model, [[]], eos_ids=[2], max_new_tokens=2, batch_size=1)
