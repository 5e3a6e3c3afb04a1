"""What was decided: each value with its reason and its rule. Plain data, no I/O."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tunewright.engine.text import size
from tunewright.hardware.memory.estimate import MemoryEstimate

# The setting that says on how many devices a plan trains at once; a plan for one does not have it.
DEVICES = "machine.devices"


class Alternative(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that was not taken, and why not."""

    value: Any
    why_not: str


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that travels with its reason. `rule` is the stable id of what fired."""

    value: Any
    because: str
    rule: str
    alternatives: tuple[Alternative, ...] = ()


class MethodFit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one training method would fit the chosen device, with the estimate behind the verdict."""

    method: str
    verdict: Literal["fits", "tight", "no"]
    free_bytes: int
    estimate: MemoryEstimate


class PlannedStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of the run. `id` names a member of `engine.run.stages`."""

    id: str
    title: str


class PlannedDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GPU or MIG slice that the run is shown, by its UUID; `label` and `name` are for people."""

    label: str
    uuid: str | None
    name: str


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All decisions of a run. `settings` are keyed `group.name` with the libraries' own names:
    `training.learning_rate` (SFTConfig), `lora.r` (LoraConfig), `quantization.bnb_4bit_quant_type`
    (BitsAndBytesConfig), `evaluation.shots`, `merge.dtype`, `machine.threads`. `devices` is
    empty on the CPU; several train together, `machine.devices` of them."""

    method: Decision
    device: Decision
    settings: dict[str, Decision]
    stages: tuple[PlannedStage, ...]
    fits: tuple[MethodFit, ...]
    warnings: tuple[str, ...] = ()
    devices: tuple[PlannedDevice, ...] = ()

    def value(self, key: str) -> Any:
        """The value of one setting, by its full key; KeyError if the plan has no such setting."""
        return self.settings[key].value

    def group(self, prefix: str) -> dict[str, Any]:
        """The settings of one group without the prefix: `group("lora")` -> {"r": 16, ...}."""
        start = prefix + "."
        return {
            k.removeprefix(start): d.value for k, d in self.settings.items() if k.startswith(start)
        }

    def chosen(self) -> MethodFit:
        """The fit of the method that was picked."""
        return next(f for f in self.fits if f.method == self.method.value)


def told_fit(fit: MethodFit) -> str:
    """How a method fits, with the figures, after its name: "fits: expected peak …"."""
    estimate = fit.estimate
    verb = {"fits": "fits", "tight": "is tight", "no": "does not fit"}[fit.verdict]
    return (
        f"{verb}: expected peak {size(estimate.expected_bytes)}, safe bound "
        f"{size(estimate.safe_bytes)}, free {size(fit.free_bytes)}"
    )
