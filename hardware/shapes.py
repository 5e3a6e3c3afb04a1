"""The shape of a model, read from its folder without loading a weight."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tunewright.hardware.errors import Problem
from tunewright.hardware.model_config import load_config, parse_config, text_part
from tunewright.hardware.model_facts import Facts, mixture_facts
from tunewright.hardware.weights import Tensor, read_tensors


class Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count` linear layers of the decoder that share a name (the last part, e.g. "q_proj")."""

    name: str
    in_features: int
    out_features: int
    count: int


class ModelShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shape facts of one decoder-only model. `parameters` counts every weight once (tied ones
    too); `linears` are the layers that adapters can target, heads and embeddings excluded;
    `weights_dtype` and `weight_bytes` are those on disk.

    A mixture has `experts` in each of its `expert_layers`, of which `experts_per_token` work on a
    token. `sliding_layers` attend to the last `sliding_window` tokens only. `latent_kv` values a
    token and layer replace keys and values in a cache (multi-head latent attention).
    `vision_parameters` are those of towers beside the decoder, in `parameters` too. `approximate`:
    the family is not known, and the shape that of a plain decoder with these sizes.
    """

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    max_position_embeddings: int | None
    parameters: int
    weights_dtype: str
    weight_bytes: int
    linears: tuple[Linear, ...]
    experts: int = 0
    experts_per_token: int = 0
    expert_intermediate_size: int = 0
    expert_layers: int = 0
    sliding_window: int | None = None
    sliding_layers: int = 0
    latent_kv: int = 0
    vision_parameters: int = 0
    approximate: bool = False


_DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_EMBEDDING = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.weight$"
)
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output_layer)\.weight$")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.(.+)$")
# Towers of multimodal models beside the decoder; their layers are counted, not targeted.
_TOWER = re.compile(r"(?:^|\.)(?:vision\w*|visual|audio\w*|mtp|multi_modal\w*|mm_\w+)\.")
# Masks and rotary tables that older checkpoints store: buffers, not parameters.
_BUFFER = re.compile(r"\.(?:rotary_emb\.inv_freq|masked_bias)$|\.(?:attn|attention)\.bias$")
# Experts of a mixture and their router: transformers holds them as bare parameters, so no adapter
# finds a linear layer there.
_EXPERTS = re.compile(r"\.experts\.|\.(?:gate|router)\.weight$|^(?:gate|router)\.weight$")
_MLP_DOWN = ("down_proj", "fc2", "dense_4h_to_h", "fc_out", "c_proj", "w2")


def read_shape(folder: Path) -> ModelShape:
    """Read config.json and the safetensors headers of a model folder, and check that they agree.

    `parameters` is exact for every architecture; `linears` are those of the decoder's layers. A
    mixture of experts or a multimodal model is described by its decoder: experts and towers count
    in `parameters` and `weight_bytes` and are not in `linears`.

    Raises Problem when the folder is not a model, has no safetensors weights (pickles are refused),
    is cut off, already quantised, or when config and weights contradict each other.
    """
    config_path = folder / "config.json"
    raw = load_config(config_path)
    config = parse_config(raw, config_path)
    if config.quantization is not None:
        raise Problem(
            f"{folder} is already quantised ({config.quantization})",
            why="fine-tuning starts from 16- or 32-bit weights, and the result is merged into them",
            cure="take the unquantised model; QLoRA quantises it while loading",
        )
    tensors = {name: t for name, t in read_tensors(folder).items() if not _is_buffer(name, t.shape)}
    check = _Agreement(config_path, folder)

    embedding = _first(tensors, _EMBEDDING)
    head = _first(tensors, _HEAD)
    if embedding is not None:
        rows, width = (*tensors[embedding].shape, 0, 0)[:2]
        check("vocab_size", config.vocab_size, embedding, rows)
        check("hidden_size", config.hidden_size, embedding, width)
    tied = head is None if config.tie_word_embeddings is None else config.tie_word_embeddings
    if head is None and not tied:
        raise Problem(
            f"{config_path} and the weights in {folder} disagree",
            why="tie_word_embeddings is false, and there is no output head (lm_head.weight)",
            cure="download the model again, completely",
        )
    if head is not None and not tied:
        check("vocab_size", config.vocab_size, head, tensors[head].shape[0])
    layers = _decoder_layers(tensors)
    if layers:
        stored = len({int(layer) for layer, _ in layers.values()})
        if stored != config.num_hidden_layers + config.extra_layers:
            check("num_hidden_layers", config.num_hidden_layers, "decoder layers", stored)

    linears = _linears(config.model_type, tensors, layers)
    # A tied head that is stored all the same is the embedding a second time.
    counted = [t for name, t in tensors.items() if not (tied and name == head)]
    by_dtype: Counter[str] = Counter()
    for tensor in counted:
        by_dtype[tensor.dtype] += tensor.elements
    dtype = by_dtype.most_common(1)[0][0] if by_dtype else "unknown"
    intermediate = config.intermediate_size or _intermediate(linears, config.hidden_size)
    facts = Facts(text_part(raw), str(config_path))
    return ModelShape(
        **config.said(),
        intermediate_size=intermediate,
        tie_word_embeddings=tied,
        parameters=sum(by_dtype.values()),
        weights_dtype=_DTYPES.get(dtype, dtype),
        weight_bytes=sum(tensor.bytes for tensor in tensors.values()),
        linears=linears,
        vision_parameters=sum(t.elements for name, t in tensors.items() if _TOWER.search(name)),
        **mixture_facts(facts, config.num_hidden_layers, intermediate),
    )


class _Agreement:
    """Raises the Problem that names config.json and the weights when a number differs."""

    def __init__(self, config: Path, folder: Path) -> None:
        self.config = config
        self.folder = folder

    def __call__(self, key: str, said: int, tensor: str, found: int) -> None:
        if said != found:
            raise Problem(
                f"{self.config} and the weights in {self.folder} disagree",
                why=f"{key} is {said} in config.json, and {tensor} has {found}",
                cure="download the model again, config and weights of one version",
            )


def _is_buffer(name: str, shape: tuple[int, ...]) -> bool:
    # GPT-2's causal mask is called attn.bias and has four dimensions; a real bias has one.
    found = _BUFFER.search(name)
    return found is not None and not (found[0].endswith(".bias") and len(shape) < 4)


def _first(tensors: Mapping[str, Tensor], pattern: re.Pattern[str]) -> str | None:
    return next((n for n in tensors if pattern.search(n) and not _TOWER.search(n)), None)


def _decoder_layers(tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, str]]:
    """{tensor name: (layer number, rest of the name)} of the decoder's layers."""
    found: dict[str, tuple[str, str]] = {}
    for name in tensors:
        match = _LAYER.search(name)
        if match and not _TOWER.search(name):
            found[name] = (match[1], match[2])
    return found


def _linears(
    model_type: str, tensors: Mapping[str, Tensor], layers: Mapping[str, tuple[str, str]]
) -> tuple[Linear, ...]:
    counts: Counter[tuple[str, int, int]] = Counter()
    for name, (_, rest) in layers.items():
        shape = tensors[name].shape
        if len(shape) != 2 or not rest.endswith(".weight") or _EXPERTS.search(rest):
            continue
        # GPT-2's Conv1D stores (in, out), every nn.Linear (out, in).
        out_features, in_features = reversed(shape) if model_type == "gpt2" else shape
        counts[rest.removesuffix(".weight").rpartition(".")[2], in_features, out_features] += 1
    return tuple(Linear(*key, count) for key, count in counts.items())


def _intermediate(linears: tuple[Linear, ...], hidden_size: int) -> int:
    """The width of the MLP, where config.json does not say it: what its down projection takes."""
    widths = [linear.in_features for linear in linears if linear.name in _MLP_DOWN]
    return max(widths, default=4 * hidden_size)
