"""The model of a traced step: built on meta, adapters attached there, then made of fake tensors.

peft cannot attach inside FakeTensorMode, so parameters are replaced afterwards. Worker only.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from tunewright.engine.trace.setup import TraceSetup
from tunewright.hardware.errors import Problem

# What building a model raises when its config contradicts itself: there is no one type.
_REFUSALS = (
    TypeError, ValueError, KeyError, AttributeError, AssertionError, ZeroDivisionError,
    RuntimeError,
)  # fmt: skip


def read_config(config: dict[str, Any]) -> Any:
    """transformers' config object; Problem for an architecture that transformers does not have."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = config.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise _unknown(f"transformers has no model_type {kind!r}")
    facts = {name: value for name, value in config.items() if name != "quantization_config"}
    try:
        found = CONFIG_MAPPING[kind].from_dict(facts)
    except _REFUSALS as error:
        raise _no_model(kind, error) from error
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        text = found.get_text_config()
        if text.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            raise _unknown(f"{kind} is no causal language model to transformers")
        return text
    return found


def _no_model(kind: Any, error: BaseException) -> Problem:
    return Problem(
        "config.json does not make a model",
        why=f"transformers' {kind} says: {_first_line(error)}",
        cure="check that the file is whole and of one version",
    )


def _unknown(why: str) -> Problem:
    return Problem(
        "the architecture cannot be traced",
        why=why,
        cure="size it without --trace, or upgrade transformers",
    )


def with_layers(config: Any, count: int) -> Any:
    """The same architecture with `count` layers; lists of one entry a layer are cut to match."""
    text = (shorter := copy.deepcopy(config)).get_text_config()
    before = text.num_hidden_layers
    for name, value in vars(text).items():
        if isinstance(value, list) and len(value) == before:
            setattr(text, name, value[:count])
    text.num_hidden_layers = count
    return shorter


def build(config: Any, setup: TraceSetup) -> Any:
    """The model on meta, frozen or not and with its adapters as `setup` says."""
    from transformers import AutoModelForCausalLM

    quantised = setup.weights == "nf4"
    dtype = getattr(torch, setup.compute if quantised else setup.weights)
    config.use_cache = False
    # None: sdpa where the architecture has it, else eager. FlashAttention's package is not needed:
    # `kernels.attention` stands for both.
    attention = "eager" if setup.attention == "eager" else None
    with torch.device("meta"):
        try:
            model = AutoModelForCausalLM.from_config(
                config, dtype=dtype, attn_implementation=attention
            )
        except _REFUSALS as error:
            raise _no_model(config.model_type, error) from error
        if quantised:
            _quantise(model, dtype)
        if setup.trainable == "all":
            return model
        model.requires_grad_(False)
        if setup.prepare_kbit:
            for parameter in model.parameters():
                if parameter.dtype in (torch.bfloat16, torch.float16):
                    parameter.data = parameter.data.float()
        return _adapt(model, setup)


def _adapt(model: Any, setup: TraceSetup) -> Any:
    from peft import get_peft_config, get_peft_model
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    kind = setup.adapter.get("peft_type")
    if kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise Problem(
            f"peft has no method {kind!r}",
            why="the adapter cannot be attached",
            cure="name one of " + ", ".join(sorted(PEFT_TYPE_TO_CONFIG_MAPPING)),
        )
    if setup.weights == "nf4" and setup.adapter.get("use_dora"):
        raise Problem(
            "DoRA on 4-bit weights cannot be traced",
            why="it unpacks each weight to measure its norm, which fakes of them do not bear",
            cure="size it without --trace, or trace LoRA on nf4",
        )
    try:
        config = get_peft_config(dict(setup.adapter))
        adapted = get_peft_model(model, config)
    except (ValueError, TypeError, KeyError) as error:
        raise Problem(
            "peft refuses the adapter",
            why=_first_line(error),
            cure="correct rank and target modules",
        ) from error
    if setup.adapter_dtype is not None:
        for name, parameter in adapted.named_parameters():
            # TRL leaves DoRA's magnitudes in float32 (sft_trainer.py).
            if parameter.requires_grad and "magnitude" not in name:
                parameter.data = parameter.data.to(getattr(torch, setup.adapter_dtype))
    return adapted


def _quantise(model: Any, compute: Any) -> None:
    """Replace linears by bitsandbytes' own 4-bit ones, all but the head, with the tensors that
    quantising would leave: packed nibbles, an 8-bit scale for 64 values, a float32 one for 256
    scales."""
    import bitsandbytes
    from bitsandbytes.functional import QuantState

    head = model.get_output_embeddings()
    for module in list(model.modules()):
        for name, linear in list(module.named_children()):
            if type(linear) is not torch.nn.Linear or linear is head:
                continue
            size = linear.weight.numel()
            scales = -(-size // 64)
            state = QuantState(
                absmax=torch.empty(scales, dtype=torch.uint8),
                shape=linear.weight.shape,
                code=torch.empty(16),
                blocksize=64,
                quant_type="nf4",
                dtype=compute,
                offset=torch.empty(()),
                state2=QuantState(
                    absmax=torch.empty(-(-scales // 256)),
                    code=torch.empty(256),
                    blocksize=256,
                    dtype=torch.float32,
                ),
            )
            small = bitsandbytes.nn.Linear4bit(
                linear.in_features,
                linear.out_features,
                bias=linear.bias is not None,
                compute_dtype=compute,
                quant_type="nf4",
            )
            small.bias = linear.bias
            small.support_avx512bf16_for_cpu = False
            small.weight = bitsandbytes.nn.Params4bit(
                torch.empty(-(-size // 2), 1, dtype=torch.uint8),
                quant_state=state,
                quant_type="nf4",
                bnb_quantized=True,
            )
            setattr(module, name, small)
    model.is_loaded_in_4bit = True


def fake(model: Any) -> list[tuple[str, Any]]:
    """Replace every parameter and buffer by a fake one of its shape, inside FakeTensorMode.

    Returns (name, tensor) of all storages that stand on the device, tied ones once.
    """
    made: dict[int, Any] = {}
    kept: list[Any] = []  # ids are only good while their objects live
    placed: list[tuple[str, Any]] = []

    def place(name: str, tensor: Any) -> Any:
        if id(tensor) not in made:
            empty = torch.empty(tensor.shape, dtype=tensor.dtype)
            kept.append(tensor)
            made[id(tensor)] = empty
            placed.append((name, empty))
        return made[id(tensor)]

    for path, module in model.named_modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = _parameter(
                    parameter, place(f"{path}.{name}", parameter), made
                )
                _place_state(f"{path}.{name}", module._parameters[name], place)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = place(f"{path}.{name}", buffer)
        _place_loose(path, module, place)
    return placed


def _place_loose(path: str, module: Any, place: Any) -> None:
    """Tensors that a module keeps as plain attributes, or in a dict: some adapters do."""
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, torch.Tensor):
            setattr(module, name, place(f"{path}.{name}", value))
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, torch.Tensor):
                    value[key] = place(f"{path}.{name}.{key}", item)


def _parameter(old: Any, empty: Any, made: dict[int, Any]) -> Any:
    if isinstance(empty, torch.nn.Parameter):
        return empty
    new = torch.nn.Parameter(empty, requires_grad=old.requires_grad)
    if hasattr(old, "quant_state"):
        # A fake cannot be of bitsandbytes' own class; its layer asks for no more than the state.
        new.quant_state = old.quant_state
    made[id(old)] = new
    return new


def _place_state(name: str, parameter: Any, place: Any) -> None:
    state = getattr(parameter, "quant_state", None)
    if state is None:
        return
    state.absmax = place(f"{name}.absmax", state.absmax)
    state.code = place(f"{name}.code", state.code)
    state.offset = place(f"{name}.offset", state.offset)
    state.state2.absmax = place(f"{name}.state2.absmax", state.state2.absmax)
    state.state2.code = place(f"{name}.state2.code", state.state2.code)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
