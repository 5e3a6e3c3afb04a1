"""What peft's adapters keep for the backward pass, counted again on a real layer."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from tunewright.hardware.memory.adapter_kinds import KINDS
from tunewright.hardware.shapes import Linear

pytestmark = pytest.mark.slow

# kind: (configuration of peft, its arguments, rank)
COUNTED: dict[str, tuple[str, dict[str, Any], int]] = {
    "boft": ("BOFTConfig", {"boft_block_size": 32}, 8),
    "delora": ("DeloraConfig", {"r": 16}, 16),
    "deft": ("DeftConfig", {"r": 16}, 16),
    "fourierft": ("FourierFTConfig", {"n_frequency": 1000}, 8),
    "glora": ("GloraConfig", {}, 8),
    "gralora": ("GraloraConfig", {"r": 32}, 32),
    "hira": ("HiraConfig", {"r": 16}, 16),
    "hra": ("HRAConfig", {"r": 16}, 16),
    "ia3": ("IA3Config", {"feedforward_modules": []}, 8),
    "lily": ("LilyConfig", {"r": 32}, 32),
    "loha": ("LoHaConfig", {"r": 16}, 16),
    "lokr": ("LoKrConfig", {"r": 16}, 16),
    "miss": ("MissConfig", {"r": 64}, 64),
    "miss-bat": ("MissConfig", {"r": 64, "init_weights": "bat"}, 64),
    "peanut": ("PeanutConfig", {}, 8),
    "psoft": ("PsoftConfig", {"r": 64}, 64),
    "pvera": ("PveraConfig", {"r": 256}, 256),
    "randlora": ("RandLoraConfig", {"r": 32}, 32),
    "road": ("RoadConfig", {"variant": "road_2"}, 8),
    "tinylora": ("TinyLoraConfig", {}, 2),
    "vblora": ("VBLoRAConfig", {"num_vectors": 64, "vector_length": 64, "r": 4}, 4),
    "vera": ("VeraConfig", {"r": 256}, 256),
    "waveft": ("WaveFTConfig", {"n_frequency": 1000}, 8),
}


def kept(name: str, arguments: dict[str, Any], wide: int, out: int, tokens: int) -> int:
    """Bytes that the live graph of one adapted layer holds, beside parameters and buffers."""
    import peft
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q = nn.Linear(wide, out, bias=False)
            self.config = {"model_type": "x", "tie_word_embeddings": False}

        def forward(self, x: Any) -> Any:
            return self.q(x)

    class Held:
        def __init__(self, tensor: Any) -> None:
            self.tensor = tensor

    torch.manual_seed(0)
    config = getattr(peft, name)(target_modules=["q"], **arguments)
    model = peft.get_peft_model(Model().to(torch.bfloat16), config)
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    alive: weakref.WeakSet[Held] = weakref.WeakSet()

    def pack(tensor: Any) -> Held:
        held = Held(tensor)
        alive.add(held)
        return held

    x = torch.randn(4, tokens // 4, wide, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda held: held.tensor):
        result = model(x * 1.0)
    gc.collect()
    found = {
        held.tensor.untyped_storage().data_ptr(): held.tensor.untyped_storage().nbytes()
        for held in alive
    }
    del result
    return sum(size for at, size in found.items() if at not in own)


@pytest.mark.parametrize("kind", COUNTED)
def test_a_kind_keeps_what_the_table_says(kind: str) -> None:
    """Within a tenth; 2 bytes a token and input value are the shared input where it is one."""
    name, arguments, rank = COUNTED[kind]
    row = KINDS[kind]
    for wide, out in ((256, 256), (256, 512), (512, 256)):
        counted = [kept(name, arguments, wide, out, tokens) for tokens in (256, 512)]
        each = (counted[1] - counted[0]) / 256
        linear = Linear("q", wide, out, 1)
        said = row.token_bytes(linear, rank) + (2 * wide if row.shares_input else 0)
        assert each == pytest.approx(said, rel=0.1, abs=0.25 * wide)
        fixed = counted[0] - 256 * each
        # Buffers of psoft, which every layer has, are counted with what it keeps.
        if kind != "psoft":
            assert row.fixed_bytes(linear, rank) == pytest.approx(
                fixed, rel=0.35, abs=0.6 * wide * out
            )
