"""What CUDA kernels keep and use, in terms of tensors that a dispatch mode sees. Worker only.

Fake tensors stand on the CPU (on "cuda" a CPU build of torch aborts), and there the same calls run
other kernels. So the few whose memory differs are replaced: attention, dropout, TRL's Triton tiles,
bitsandbytes' 4-bit product, and Liger's fused loss, which a CPU has not at all. Nothing is
computed.
"""

from __future__ import annotations

import math
from typing import Any

import torch


class FlashAttention(torch.autograd.Function):  # type: ignore[misc]
    """FlashAttention-2 as torch calls it: keeps q, k, v, the output and a float32 log-sum-exp for
    each row.

    Its backward accumulates dq in float32 in rows padded to 128 and heads padded to 32
    (aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp, mha_bwd), and with grouped
    heads makes dk and dv at the query's width before they are summed.
    """

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
        batch, heads, rows, _ = q.shape
        # The kernel's layout is (batch, rows, heads, width), handed back as a view.
        out = q.new_empty(batch, rows, heads, v.shape[-1]).transpose(1, 2)
        log_sum = q.new_empty(batch, heads, rows, dtype=torch.float32)
        ctx.save_for_backward(q, k, v, out, log_sum)
        return out

    @staticmethod
    def backward(ctx: Any, _: Any) -> Any:
        q, k, v, _out, _log_sum = ctx.saved_tensors
        batch, heads, rows, width = q.shape
        padded = -(-rows // 128) * 128
        delta = q.new_empty(batch, heads, padded, dtype=torch.float32)
        sums = q.new_empty(batch, padded, heads, -(-width // 32) * 32, dtype=torch.float32)
        dq, dk, dv = _like(q), _like(k), _like(v)
        if k.shape[1] != heads:
            wide = [x.new_empty(batch, x.shape[2], heads, x.shape[3]) for x in (k, v)]
            del wide
        del delta, sums
        return dq, dk, dv


class EfficientAttention(torch.autograd.Function):  # type: ignore[misc]
    """The memory-efficient kernel, which sdpa takes when there is a mask: the mask becomes a bias
    in the query's dtype with rows aligned to 8 (sdp_utils' preprocess_mask)."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, mask: Any) -> Any:
        batch, heads, rows, _ = q.shape
        bias = mask
        if mask.dtype == torch.bool:
            bias = mask.new_empty(mask.shape, dtype=q.dtype)
        if mask.shape[-1] % 8:
            bias = mask.new_empty(*mask.shape[:-1], -(-mask.shape[-1] // 8) * 8, dtype=q.dtype)
        out = q.new_empty(batch, rows, heads, v.shape[-1]).transpose(1, 2)
        log_sum = q.new_empty(batch, heads, -(-rows // 32) * 32, dtype=torch.float32)
        ctx.save_for_backward(q, k, v, out, log_sum, bias)
        return out

    @staticmethod
    def backward(ctx: Any, _: Any) -> Any:
        q, k, v, _out, log_sum, _bias = ctx.saved_tensors
        delta = torch.empty_like(log_sum)
        # dq is summed in float32 when the kernel's tiles of keys are several (gQ_accum).
        sums = q.new_empty(q.shape, dtype=torch.float32) if q.dtype != torch.float32 else None
        dq, dk, dv = _like(q), _like(k), _like(v)
        del delta, sums
        return dq, dk, dv, None


def _like(x: Any) -> Any:
    batch, heads, rows, width = x.shape
    return x.new_empty(batch, rows, heads, width).transpose(1, 2)


def attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """torch.nn.functional.scaled_dot_product_attention as its choice of kernels falls on CUDA."""
    del dropout_p, is_causal, scale, enable_gqa
    if attn_mask is not None:
        return EfficientAttention.apply(query, key, value, attn_mask)
    if query.dtype == torch.float32 or query.shape[-1] > 256:
        # Flash has no float32; the efficient kernel without a bias takes its place.
        groups = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, 1) if groups > 1 else x for x in (key, value))
    return FlashAttention.apply(query, key, value)


def attention_on_cpu(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """The same call as the CPU runs it: its own flash kernel, which fake tensors do not choose."""
    del enable_gqa
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = attn_mask.new_zeros(attn_mask.shape, dtype=query.dtype)
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return flash(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """torch.nn.functional.dropout with CUDA's fused kernel, whose mask takes a byte a value."""
    if not training or p == 0.0:
        return input
    return torch.ops.aten.native_dropout(input, p, True)[0]


class _NoKernel:
    """Stands for a Triton kernel that works in place: launched, it makes no tensor."""

    def __getitem__(self, _: Any) -> Any:
        return lambda *args, **kwargs: None


class FusedLinearCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """Liger's loss: gradients are made in the forward pass, chunk by chunk of tokens, so that one
    chunk of logits is there at a time (liger_kernel/ops/fused_linear_cross_entropy.py: as many
    chunks as the vocabulary is wider than the hidden states)."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any) -> Any:
        tokens, width = hidden.shape
        gradient = torch.zeros_like(hidden)
        of_weight = torch.zeros_like(weight) if weight.requires_grad else None
        losses = hidden.new_zeros(tokens, dtype=torch.float32)
        chunk = _power_of_two(math.ceil(tokens / math.ceil(weight.shape[0] / width)))
        for start in range(0, tokens, chunk):
            logits = hidden[start : start + chunk] @ weight.t()
            gradient[start : start + chunk] = logits @ weight
            if of_weight is not None:
                of_weight += logits.t() @ hidden[start : start + chunk]
            del logits
        ctx.save_for_backward(gradient, of_weight)
        return losses.sum()

    @staticmethod
    def backward(ctx: Any, _: Any) -> Any:
        return ctx.saved_tensors


def _power_of_two(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def know_masks(masked: bool) -> None:
    """Whether attention gets a mask is asked of values, which fakes do not have; transformers then
    makes one to be safe, and with it repeats key-value heads. Say it instead."""
    from transformers import masking_utils

    if not masked:
        masking_utils.find_packed_sequence_indices = lambda position_ids: None


def emulate_cuda() -> None:
    """Replace, in this process, what runs otherwise on CUDA than on fake CPU tensors."""
    import torch.nn.functional as functional
    import trl.trainer.utils as heads
    from trl.kernels import chunked_logprob as tiles

    functional.scaled_dot_product_attention = attention
    functional.dropout = dropout
    # The tiles are turned into gradients in place, and products accumulate into float32 outputs.
    tiles._forward_kernel = tiles._backward_kernel = _NoKernel()
    tiles.triton = _Cdiv()
    tiles._use_triton = heads._use_triton = lambda device: True
    tiles._addmm_fp32 = lambda acc, a, b: None


class _Cdiv:
    """The one function of triton that TRL calls outside of kernels."""

    @staticmethod
    def cdiv(a: int, b: int) -> int:
        return -(-a // b)


def stand_ins() -> dict[Any, Any]:
    """Operation → function that stands for it, with the tensors it makes seen by the recorder:
    what asks for values that fakes do not have, and kernels that fakes show as one step."""
    import bitsandbytes

    del bitsandbytes  # registers its operations
    aten = torch.ops.aten
    return {
        aten._local_scalar_dense.default: lambda asked: _one(asked.dtype),
        aten.index.Tensor: _select,
        aten.index_put_.default: lambda target, *_: target,
        aten._index_put_impl_.default: lambda target, *_, **__: target,
        aten.index_put.default: lambda target, *_: torch.empty_like(target),
        torch.ops.bitsandbytes.gemm_4bit.default: _gemm_4bit,
    }


def _one(dtype: Any) -> bool | int | float:
    """The value of any number that is asked for: sizes do not depend on it."""
    if dtype == torch.bool:
        return True
    return 1.0 if dtype.is_floating_point else 1


def _select(source: Any, indices: Any) -> Any:
    """Indexing; a mask is taken to select everything, since every label is taken to be trained."""
    mask = next((index for index in indices if index is not None), None)
    if mask is None or mask.dtype != torch.bool:
        return NotImplemented
    return source.new_empty(mask.numel(), *source.shape[mask.ndim :])


def _gemm_4bit(
    a: Any,
    b: Any,
    shape: Any,
    absmax: Any,
    blocksize: int,
    quant_type: str,
    bias: Any = None,
    absmax_8bit: Any = None,
    absmax_code: Any = None,
    absmax_offset: Any = None,
) -> Any:
    """bitsandbytes' product as it runs above a few hundred rows: scales in float32, the whole
    weight unpacked, then a plain product (0.50.2, _gemm_4bit_default_impl)."""
    if absmax_8bit is not None:
        absmax = torch.empty(absmax_8bit.shape) + absmax_offset
    weight = torch.ops.bitsandbytes.dequantize_4bit.default(
        b, absmax, blocksize, quant_type, shape, a.dtype
    )
    return torch.nn.functional.linear(a, weight, bias)


def emulate_cpu() -> None:
    """Replace, in this process, what fake CPU tensors choose otherwise than real ones."""
    import torch.nn.functional as functional

    functional.scaled_dot_product_attention = attention_on_cpu
