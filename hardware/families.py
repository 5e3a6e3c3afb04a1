"""The shape of a model from its config.json alone, by family: linear layers and an exact count.

For a model whose weights are not at hand (the offline catalogue, a hub id). A family that is not
known is built as a plain Llama-like decoder, and says so: its figures are an approximation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tunewright.hardware.model_config import ModelConfig
from tunewright.hardware.model_facts import Facts, mixture_facts
from tunewright.hardware.shapes import Linear, ModelShape


class Family(msgspec.Struct, frozen=True):
    """How the decoder layers of a model_type are built.

    `attention`: names of the projections: q, k, v, o; or one fused, o. `mlp`: the names into and
    out of it. `fused_gate`: gate and up are one projection. `gated`: there is a gate at all.
    `biases`: which projections have one whatever config.json says ("qkv", "o", "mlp"). `norms` of a
    layer with `norm_values` per width (2: with a bias; 0: none are trained). `query_key_norm`:
    "head" (its width is a head's) or "all". `head_bias`: the output head has one.
    """

    attention: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    mlp: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    gated: bool = True
    biases: tuple[str, ...] = ()
    norms: int = 2
    norm_values: int = 1
    query_key_norm: str = ""
    head_bias: bool = False


_FUSED_GATE = ("gate_up_proj", "down_proj")
_NEOX_ATTENTION = ("query_key_value", "dense")
_NEOX_MLP = ("dense_h_to_4h", "dense_4h_to_h")
_PLAIN = Family()

FAMILIES: dict[str, Family] = {
    "llama": _PLAIN,
    "mistral": _PLAIN,
    "ministral3": _PLAIN,
    "mixtral": _PLAIN,
    "smollm3": _PLAIN,
    "granite": _PLAIN,
    "gemma": _PLAIN,
    "internlm3": _PLAIN,
    "ernie4_5": _PLAIN,
    "seed_oss": Family(biases=("qkv",)),
    "deepseek_v2": _PLAIN,
    "deepseek_v3": _PLAIN,
    "qwen2": Family(biases=("qkv",)),
    "qwen2_moe": Family(biases=("qkv",)),
    "qwen3": Family(query_key_norm="head"),
    "qwen3_moe": Family(query_key_norm="head"),
    "gemma2": Family(norms=4),
    "gemma3_text": Family(norms=4, query_key_norm="head"),
    "olmo": Family(norm_values=0),
    "olmo2": Family(query_key_norm="all"),
    "olmo3": Family(query_key_norm="all"),
    "olmoe": Family(query_key_norm="all"),
    "phi3": Family(attention=("qkv_proj", "o_proj"), mlp=_FUSED_GATE),
    "phi": Family(
        attention=("q_proj", "k_proj", "v_proj", "dense"), mlp=("fc1", "fc2"), gated=False,
        biases=("qkv", "o", "mlp"), norms=1, norm_values=2, head_bias=True,
    ),
    "glm": Family(mlp=_FUSED_GATE),
    "glm4": Family(mlp=_FUSED_GATE, norms=4),
    "glm4_moe": _PLAIN,
    "gpt_oss": Family(biases=("qkv", "o")),
    "falcon": Family(
        attention=_NEOX_ATTENTION, mlp=_NEOX_MLP, gated=False, norms=1, norm_values=2
    ),
    "gpt_neox": Family(
        attention=_NEOX_ATTENTION, mlp=_NEOX_MLP, gated=False, biases=("qkv", "o", "mlp"),
        norm_values=2,
    ),
    "stablelm": Family(norm_values=2),
    "starcoder2": Family(
        mlp=("c_fc", "c_proj"), gated=False, biases=("qkv", "o", "mlp"), norm_values=2
    ),
    # Remote code of 2023, which transformers never took in.
    "qwen": Family(
        attention=("c_attn", "attn_out"), mlp=("w1", "w2", "down_proj"), biases=("qkv",)
    ),
    "baichuan": Family(attention=("W_pack", "o_proj")),
    "chatglm": Family(
        attention=_NEOX_ATTENTION, mlp=("dense_h_to_4h", "dense_4h_to_h"), biases=("qkv",)
    ),
}  # fmt: skip


def shape_from_config(config: ModelConfig, raw: Mapping[str, Any], where: str) -> ModelShape:
    """The shape that config.json describes, in bfloat16. `raw` is the file's text part, `where`
    names it in errors. Problem for a field of the family that is missing or impossible."""
    family = FAMILIES.get(config.model_type, _PLAIN)
    facts = Facts(raw, where)
    intermediate = config.intermediate_size or 4 * config.hidden_size
    layers = config.num_hidden_layers
    mixture = mixture_facts(facts, layers, intermediate)
    experts, expert_width = mixture.get("experts", 0), mixture.get("expert_intermediate_size", 0)
    dense = layers - mixture.get("expert_layers", 0)
    linears, values = _attention(config, family, facts)
    mlp, more = _mlp(config, family, facts, intermediate, dense, "")
    linears += mlp
    values += more
    if experts:
        shared = facts.number("shared_expert_intermediate_size")
        shared = shared or facts.number("n_shared_experts") * expert_width
        if shared:
            mlp, more = _mlp(config, _PLAIN, facts, shared, layers - dense, "shared")
            linears += mlp
            values += more
        values += _experts(config, facts, experts, expert_width, layers - dense)
    values += sum(m.in_features * m.out_features * m.count for m in linears)
    values += _norms(config, family, facts)
    tied = bool(config.tie_word_embeddings)
    values += config.vocab_size * config.hidden_size * (1 if tied else 2)
    if family.head_bias:
        values += config.vocab_size
    vision = facts.number("vision_parameters")
    return ModelShape(
        **config.said(),
        intermediate_size=intermediate,
        tie_word_embeddings=tied,
        parameters=values + vision,
        weights_dtype="bfloat16",
        weight_bytes=2 * (values + vision),
        linears=tuple(linears),
        vision_parameters=vision,
        approximate=config.model_type not in FAMILIES,
        **mixture,
    )


def _attention(config: ModelConfig, family: Family, facts: Facts) -> tuple[list[Linear], int]:
    """The projections of attention, and the parameters beside their matrices."""
    h, layers = config.hidden_size, config.num_hidden_layers
    q = config.num_attention_heads * config.head_dim
    kv = config.num_key_value_heads * config.head_dim
    if facts.number("kv_lora_rank"):
        return _latent_attention(config, facts)
    *inward, out = family.attention
    widths = [q, kv, kv] if len(inward) == 3 else [q + 2 * kv]
    linears = [Linear(name, h, w, layers) for name, w in zip(inward, widths, strict=True)]
    linears.append(Linear(out, q, h, layers))
    said = facts.flag("attention_bias")
    values = 0
    biased = "qkv" in family.biases if said is None or family.biases else said
    if biased or facts.flag("add_qkv_bias") or facts.flag("use_qkv_bias"):
        values += (q + 2 * kv) * layers
    # Llama's attention_bias is for the output projection too; GLM's is not.
    if "o" in family.biases or (said and config.model_type in ("llama", "granite")):
        values += h * layers
    if family.query_key_norm and facts.flag("use_qk_norm") is not False:
        values += (2 * config.head_dim if family.query_key_norm == "head" else q + kv) * layers
    elif config.model_type == "glm4_moe" and facts.flag("use_qk_norm"):
        values += 2 * config.head_dim * layers
    if config.model_type == "gpt_oss":
        values += config.num_attention_heads * layers  # attention sinks
    return linears, values


def _latent_attention(config: ModelConfig, facts: Facts) -> tuple[list[Linear], int]:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1)."""
    h, layers, heads = config.hidden_size, config.num_hidden_layers, config.num_attention_heads
    rank, q_rank = facts.number("kv_lora_rank"), facts.number("q_lora_rank")
    nope, rope = facts.number("qk_nope_head_dim"), facts.number("qk_rope_head_dim")
    v = facts.number("v_head_dim")
    query = heads * (nope + rope)
    linears, values = [], rank * layers
    if q_rank:
        linears += [
            Linear("q_a_proj", h, q_rank, layers),
            Linear("q_b_proj", q_rank, query, layers),
        ]
        values += q_rank * layers
    else:
        linears.append(Linear("q_proj", h, query, layers))
    linears += [
        Linear("kv_a_proj_with_mqa", h, rank + rope, layers),
        Linear("kv_b_proj", rank, heads * (nope + v), layers),
        Linear("o_proj", heads * v, h, layers),
    ]
    return linears, values


def _mlp(
    config: ModelConfig, family: Family, facts: Facts, width: int, layers: int, shared: str
) -> tuple[list[Linear], int]:
    if not layers:
        return [], 0
    h = config.hidden_size
    *inward, out = family.mlp
    doubled = family.gated and len(inward) == 1
    linears = [Linear(name, h, width * (2 if doubled else 1), layers) for name in inward]
    linears.append(Linear(out, width, h, layers))
    values = 0
    if "mlp" in family.biases or facts.flag("mlp_bias"):
        values = (sum(m.out_features for m in linears)) * layers
    if shared and config.model_type == "qwen2_moe":
        linears.append(Linear("shared_expert_gate", h, 1, layers))
    return linears, values


def _experts(config: ModelConfig, facts: Facts, experts: int, width: int, layers: int) -> int:
    h = config.hidden_size
    values = experts * 3 * h * width + experts * h
    if config.model_type == "gpt_oss":
        values += experts * (2 * width + h) + experts  # biases of experts and router
    return values * layers


def _norms(config: ModelConfig, family: Family, facts: Facts) -> int:
    norms = family.norms
    if config.model_type == "falcon" and facts.flag("new_decoder_architecture"):
        norms = 2
    return family.norm_values * config.hidden_size * (norms * config.num_hidden_layers + 1)
