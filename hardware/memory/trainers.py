"""What a trainer holds beside the model that learns: more rows, a reference, a value, a reward."""

from __future__ import annotations

from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.storage import PLAIN_BYTES
from tunewright.hardware.shapes import ModelShape

# Rows through the model for one row of data: DPO, ORPO and reward models put the chosen and the
# rejected answer into one batch; KTO adds the mismatched pairs of its KL estimate (trl 1.16,
# concatenated_forward and the trainers beside it).
_ROWS = {"dpo": 2, "orpo": 2, "reward": 2, "kto": 2}
# Copies of the base in 16 bits that stand beside it. With adapters a reference is the base itself,
# with the adapter switched off; full fine-tuning needs a copy. PPO (trl up to 1.13) also holds a
# reward and a value model of the same size.
_FULL_COPIES = {"dpo": 1, "kto": 1, "ppo": 3, "grpo": 1, "rloo": 1}
_ADAPTER_COPIES = {"ppo": 2}


def rows_of(setup: TrainingSetup) -> int:
    """Rows that pass through the model at once."""
    return setup.micro_batch * _ROWS.get(setup.trainer, 1)


def extra_models(shape: ModelShape, setup: TrainingSetup) -> int:
    """Bytes of the frozen models beside the one that learns."""
    full = setup.trainable == "all"
    copies = (_FULL_COPIES if full else _ADAPTER_COPIES).get(setup.trainer, 0)
    each = PLAIN_BYTES.get(setup.weights, 2)
    if setup.device == "cuda":
        each = min(each, 2)
    return copies * each * shape.parameters
