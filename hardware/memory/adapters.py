"""The parameters that are trained: all of the model, or adapters on some of its layers."""

from __future__ import annotations

from tunewright.hardware.errors import Problem
from tunewright.hardware.memory.adapter_kinds import LINEAR_IN_RANK, OTHER_KINDS, kind_of
from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.stacks import Stack
from tunewright.hardware.shapes import Linear, ModelShape


def adapted_linears(shape: ModelShape, target_modules: str | tuple[str, ...]) -> tuple[Linear, ...]:
    """The linear layers that LoRA targets: "all-linear", or exact last names as peft matches them.

    Problem for a name that the model does not have (peft fails so too, after loading it).
    """
    if target_modules == "all-linear":
        return shape.linears
    names = (target_modules,) if isinstance(target_modules, str) else target_modules
    whole = {
        "lm_head": Linear("lm_head", shape.hidden_size, shape.vocab_size, 1),
        "embed_tokens": Linear("embed_tokens", shape.vocab_size, shape.hidden_size, 1),
    }
    found: list[Linear] = []
    for name in dict.fromkeys(names):
        hits = [linear for linear in shape.linears if linear.name == name]
        if not hits and name in whole:
            hits = [whole[name]]
        if not hits:
            raise Problem(
                f"target_modules names {name!r}, which this model does not have",
                why="its linear layers are "
                + ", ".join(dict.fromkeys(linear.name for linear in shape.linears)),
                cure='name some of these, or "all-linear"',
            )
        found += hits
    return tuple(found)


def trainable_parameters(
    shape: ModelShape, rank: int, target_modules: str | tuple[str, ...] = "all-linear"
) -> int:
    """Parameters of LoRA adapters: rank x (in + out) for each targeted layer (A and B of
    arXiv:2106.09685, no bias). Exact for what peft adds by the same names."""
    return sum(
        rank * (linear.in_features + linear.out_features) * linear.count
        for linear in adapted_linears(shape, target_modules)
    )


def kept_by_adapter(
    setup: TrainingSetup,
    stack: Stack,
    autocast: bool,
    activation: int,
    adapted: list[tuple[Linear, str]],
    inputs: dict[str, int],
) -> tuple[int, set[str]]:
    """(bytes a token that a layer's adapters keep, the inputs that they keep as they are).

    LoRA keeps the input of A and of B (rank values). Where adapter and activations have one dtype,
    linears with the same input share it, and the attention's output is kept already. Else peft
    casts a copy for each adapted linear; under autocast it is then kept in 16 bits. A 4-bit linear
    leaves the cast to autocast, which sees that none is needed. Dropout keeps a mask and a copy for
    each. `adapted` are the linears with the name of their input, `inputs` the widths of those.
    """
    a = activation
    shared = setup.adapter_bytes == a or (setup.weights == "nf4" and autocast)
    copy = a if autocast else setup.adapter_bytes
    kind = kind_of(setup.adapter)
    total = sum(kind.token_bytes(m, setup.rank) for m, _ in adapted)
    if kind.shares_input:
        kept = {name for _, name in adapted} - {"attention_out"}
        return total + sum(a * inputs[name] for name in kept), kept
    if setup.adapter not in LINEAR_IN_RANK:
        return total, set()
    total += copy * setup.rank * len(adapted)
    if setup.lora_dropout:
        # CUDA's fused dropout keeps a byte a value; the CPU multiplies by a mask of the same dtype.
        mask = 1 if setup.device == "cuda" else copy
        widths = [m.in_features for m, _ in adapted]
        if stack.fused_qkv:
            widths = [inputs[name] for name in {name for _, name in adapted}]
        return total + sum((mask + copy) * width for width in widths), set()
    if not shared:
        return total + sum(copy * m.in_features for m, _ in adapted), set()
    kept = {name for _, name in adapted} - {"attention_out"}
    return total + sum(a * inputs[name] for name in kept), kept


def whole_model_adapter(shape: ModelShape, setup: TrainingSetup, activation: int) -> int:
    """Bytes a token and layer of the kinds that change no linear layer (peft 0.21).

    Adaption prompts attend to learned tokens beside the real ones: queries again, scores in float32
    and in the arithmetic's dtype, and what they give before its gate. Prefixes go through a cache,
    which holds keys and values beside the repeated ones. Trained norms keep their normalised input.
    """
    q = shape.num_attention_heads * shape.head_dim
    if setup.adapter == "adaption_prompt":
        learned = virtual_tokens(shape, setup) // shape.num_hidden_layers
        scores = shape.num_attention_heads * learned
        return 2 * activation * q + (4 + activation) * scores
    if setup.adapter.startswith("llama_adapter"):
        # litgpt: attention to ten learned tokens, whose result its gate needs. Version 2 scales
        # what every linear layer gives, and needs that too.
        outputs = sum(m.out_features * m.count for m in shape.linears) // shape.num_hidden_layers
        scaled = activation * outputs if setup.adapter.endswith("v2") else 0
        return activation * q + 4 * shape.num_attention_heads + scaled
    if setup.adapter == "prefix_tuning":
        return 2 * activation * shape.num_key_value_heads * shape.head_dim
    if setup.adapter == "ln_tuning":
        return 2 * activation * shape.hidden_size
    return 0


def adapter_fixed_bytes(shape: ModelShape, setup: TrainingSetup) -> int:
    """Bytes that adapters keep through a step whatever the batch: weights that they compute."""
    if setup.adapter == "trainable_tokens":
        # The embedding with its new rows put in is a whole copy.
        return 2 * shape.vocab_size * shape.hidden_size
    if setup.adapter in OTHER_KINDS:
        return 0
    kind = kind_of(setup.adapter)
    adapted = adapted_linears(shape, setup.target_modules)
    whole = sum(kind.fixed_bytes(m, setup.rank) * m.count for m in adapted)
    # Under checkpointing they come back one layer at a time, like activations.
    return whole // shape.num_hidden_layers if setup.gradient_checkpointing else whole


def virtual_tokens(shape: ModelShape, setup: TrainingSetup) -> int:
    """Learned tokens of a prompt, from the number of trained parameters."""
    return (setup.adapter_parameters or 0) // shape.hidden_size


def saved_parameters(shape: ModelShape, modules: tuple[str, ...]) -> int:
    """Parameters of embeddings and head that are trained as whole copies (modules_to_save)."""
    known = {"embed_tokens": 1, "lm_head": 1, "wte": 1, "word_embeddings": 1, "output_layer": 1}
    for name in modules:
        if name not in known:
            raise Problem(
                f"modules_to_save names {name!r}, whose size is not known",
                why=f"known are {', '.join(known)}",
                cure="name embeddings or the head, or adapt the others by target_modules",
            )
    return len(modules) * shape.vocab_size * shape.hidden_size
