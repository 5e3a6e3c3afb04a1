"""What a training changes: all weights, or adapters and the modules that are trained whole."""

from __future__ import annotations

import msgspec

from tunewright.hardware.memory.adapters import (
    adapted_linears,
    saved_parameters,
    trainable_parameters,
)
from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.memory.storage import PLAIN_BYTES
from tunewright.hardware.shapes import ModelShape


class Trained(msgspec.Struct, frozen=True):
    """What is trained: `values` of `value_bytes` each (all weights, or adapters), and `saved`
    parameters of whole modules beside adapters, in the base's 16 or 32 bits."""

    values: int
    value_bytes: int
    saved: int = 0
    saved_bytes: int = 2

    @property
    def parameters(self) -> int:
        return self.values + self.saved

    def copy(self, most: int = 8) -> int:
        """Bytes of one copy of all, of at most `most` bytes a value."""
        return self.values * min(most, self.value_bytes) + self.saved * min(most, self.saved_bytes)


def trained_by(shape: ModelShape, setup: TrainingSetup) -> Trained:
    """What a training by `setup` changes of the model."""
    if setup.trainable == "all":
        return Trained(shape.parameters, PLAIN_BYTES[setup.weights])
    saved = saved_parameters(shape, setup.modules_to_save)
    saved_bytes = PLAIN_BYTES.get(setup.weights, 2)
    if setup.adapter_parameters is not None:
        return Trained(setup.adapter_parameters, setup.adapter_bytes, saved, saved_bytes)
    values = trainable_parameters(shape, setup.rank, setup.target_modules)
    if setup.adapter == "dora":
        # A magnitude for each output (arXiv:2402.09353).
        values += sum(
            m.out_features * m.count for m in adapted_linears(shape, setup.target_modules)
        )
    return Trained(values, setup.adapter_bytes, saved, saved_bytes)
