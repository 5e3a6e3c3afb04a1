"""Greedy answers to many prompts at once, with what they share computed once.

An own loop rather than `model.generate`: it looks for orders at every token, lets finished rows
leave the batch, and gives prefill and decoding each the thread count that suits it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tunewright.engine.prove.threads import Threads, using


def split_shared(prompts: Sequence[list[int]]) -> tuple[list[int], list[list[int]]]:
    """The token prefix that all prompts share, and what is left of each (never empty).

    Found on tokens, so it holds for any template: few-shot turns, a system prompt, a header.
    """
    if not prompts:
        return [], []
    first, last = min(prompts), max(prompts)
    longest = min(len(prompt) for prompt in prompts) - 1
    shared = 0
    while shared < longest and first[shared] == last[shared]:
        shared += 1
    return first[:shared], [prompt[shared:] for prompt in prompts]


def greedy_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    eos_ids: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
    prefix: Sequence[int] = (),
    threads: Threads | None = None,
    on_answer: Callable[[int, list[int]], None] | None = None,
    between_steps: Callable[[], None] | None = None,
    trains_on: bool = False,
) -> list[list[int]]:
    """The most likely continuation of `prefix + prompt` for each prompt, without its end token.

    `prefix` is run once; each batch starts from copies of its keys and values. Rows are batched by
    length, padded on the left, and answered in the order of `prompts`. An answer that reached
    `max_new_tokens` was cut. Same model, prompts, batch size and threads: same answers.

    `on_answer` gets each row's number and answer as soon as it is finished; `between_steps` runs
    before every forward pass and may raise to leave. For a model that `trains_on` afterwards no
    tensor is made that a later backward pass would refuse. Models whose layers keep a running
    state (recurrent ones) are answered row by row, since padding would enter the state.
    """
    import torch

    if any(not prompt for prompt in prompts):
        raise ValueError("a prompt without tokens")
    between_steps = between_steps or (lambda: None)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    # A tensor that was made in inference mode and kept would be refused by a backward pass.
    ungraded = torch.no_grad() if trains_on else torch.inference_mode()
    plan = _plan(model, prompts, list(prefix), max_new_tokens)
    size = batch_size if plan.batched else 1
    order = sorted(range(len(plan.prompts)), key=lambda row: len(plan.prompts[row]))
    answers: list[list[int]] = [[] for _ in prompts]

    def finished(row: int, answer: list[int]) -> None:
        answers[row] = answer
        if on_answer is not None:
            on_answer(row, answer)

    try:
        with ungraded, using(threads.prefill if threads else None):
            between_steps()
            shared = _read_prefix(model, plan.prefix) if plan.prefix else None
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                _answer_batch(
                    model,
                    {row: plan.prompts[row] for row in rows},
                    shared,
                    len(plan.prefix),
                    frozenset(eos_ids),
                    max_new_tokens,
                    threads,
                    finished,
                    between_steps,
                )
    finally:
        for module, training in modes:
            module.training = training
    return answers


class _Plan(msgspec.Struct, frozen=True):
    prompts: list[list[int]]
    prefix: list[int]
    batched: bool


def _plan(
    model: Any, prompts: Sequence[Sequence[int]], prefix: list[int], max_new_tokens: int
) -> _Plan:
    """What may be shared and padded without changing an answer, by the kinds of cache layers."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    layers = _new_cache(model).layers
    rows = [list(prompt) for prompt in prompts]
    whole = [prefix + row for row in rows]
    # A state that runs over the tokens takes padding in, and cannot be expanded like keys.
    if not all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        return _Plan(whole, [], batched=False)
    # Padding between prefix and prompt would count as distance inside a sliding window.
    windows = [layer.sliding_window for layer in layers if layer.is_sliding]
    longest = max((len(row) for row in whole), default=0) + max_new_tokens
    if windows and longest >= min(windows):
        return _Plan(whole, [], batched=True)
    return _Plan(rows, prefix, batched=True)


def _new_cache(model: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=model.config)


def _read_prefix(model: Any, prefix: list[int]) -> Any:
    import torch

    ids = torch.tensor([prefix], device=model.device)
    cache = _new_cache(model)
    model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _copies(model: Any, shared: Any, rows: int) -> Any:
    """A cache in which every one of `rows` rows starts from the shared keys and values."""
    cache = _new_cache(model)
    if shared is not None:
        for index, layer in enumerate(shared.layers):
            cache.update(
                layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), index
            )
    return cache


class Prefix:
    """Tokens that many rows begin with, read once; of no length where sharing would change what
    the model computes. Call under `torch.inference_mode`; `longest` tokens a row at most."""

    def __init__(self, model: Any, tokens: list[int], longest: int) -> None:
        plan = _plan(model, [[0]], tokens, max(0, longest - len(tokens)))
        self._model = model
        self.length = len(plan.prefix)
        self._shared = _read_prefix(model, plan.prefix) if plan.prefix else None

    def arguments(self, rows: int) -> dict[str, Any]:
        """What a forward pass over the rest of `rows` rows takes besides its tokens."""
        if self._shared is None:
            return {"use_cache": False}
        return {"past_key_values": _copies(self._model, self._shared, rows), "use_cache": True}


def _answer_batch(
    model: Any,
    prompts: dict[int, list[int]],
    shared: Any,
    shared_length: int,
    eos_ids: frozenset[int],
    max_new_tokens: int,
    threads: Threads | None,
    finished: Callable[[int, list[int]], None],
    between_steps: Callable[[], None],
) -> None:
    import torch

    live = list(prompts)
    width = max(len(prompt) for prompt in prompts.values())
    padding = [width - len(prompts[row]) for row in live]
    ids = torch.tensor(
        [[0] * pad + prompts[row] for pad, row in zip(padding, live, strict=True)],
        device=model.device,
    )
    mask = torch.ones(len(live), shared_length + width, dtype=torch.long, device=model.device)
    for index, pad in enumerate(padding):
        mask[index, shared_length : shared_length + pad] = 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, shared_length:]
    cache = _copies(model, shared, len(live))
    written: dict[int, list[int]] = {row: [] for row in live}

    for step in range(max_new_tokens):
        between_steps()
        if threads is not None:
            _use(threads.decode if step else threads.prefill)
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen = logits.argmax(-1)
        keep = []
        for index, (row, token) in enumerate(zip(live, chosen.tolist(), strict=True)):
            if token in eos_ids:
                finished(row, written[row])
                continue
            written[row].append(token)
            keep.append(index)
        if not keep:
            return
        if len(keep) < len(live):
            live = [live[index] for index in keep]
            kept = torch.tensor(keep, device=model.device)
            chosen, mask, positions = chosen[kept], mask[kept], positions[kept]
            for layer in cache.layers:
                layer.batch_select_indices(kept)
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
        positions = positions[:, -1:] + 1
    for row in live:
        finished(row, written[row])


def _use(threads: int) -> None:
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
