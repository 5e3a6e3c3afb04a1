"""What-if: the plan with another method or setting, and how much more would fit. Pure.

A plan is made in about a millisecond, so a what-if is no formula of its own but a real plan: what
it shows is what happens when the change is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tunewright.engine.data.assumed import assumed_facts
from tunewright.engine.devices.planned import lowest_capability, planned_gpus
from tunewright.engine.plan import Plan
from tunewright.engine.planner import make_plan
from tunewright.engine.session import Inputs, Recorded
from tunewright.engine.train.names import resolve_setting
from tunewright.engine.train.registry import method, methods
from tunewright.hardware.errors import Problem
from tunewright.hardware.fit import judge, largest
from tunewright.hardware.memory.training import estimate_training
from tunewright.hardware.shapes import ModelShape

# Longer than any context of today; where a model does not say its own, the search ends here.
LONGEST = 1 << 20
_LENGTH = "training.max_length"


def foreign_settings(inputs: Inputs, method_id: str) -> tuple[str, ...]:
    """Overrides that only other methods have a use for, as they were given."""
    groups = {group for other in methods().values() for group in other.groups}
    own = method(method_id).groups

    def foreign(name: str) -> bool:
        group = resolve_setting(name)[0].partition(".")[0]
        return group in groups and group not in own

    return tuple(name for name in inputs.overrides if foreign(name))


def with_method(inputs: Inputs, method_id: str) -> Inputs:
    """The inputs with that method asked for, without the settings that mean nothing for it."""
    foreign = foreign_settings(inputs, method_id)
    kept = {name: value for name, value in inputs.overrides.items() if name not in foreign}
    return msgspec.structs.replace(inputs, method=method_id, overrides=kept)


def with_setting(inputs: Inputs, key: str, value: Any) -> Inputs:
    """The inputs with one setting overridden by its full key; None takes the override back, under
    whatever name it was given."""
    kept = {n: v for n, v in inputs.overrides.items() if resolve_setting(n)[0] != key}
    if value is not None:
        kept[key] = value
    return msgspec.structs.replace(inputs, overrides=kept)


def advised_plan(inputs: Inputs, recorded: Recorded) -> Plan:
    """The plan with the method left to the rules; `Problem` as `make_plan`."""
    return make_plan(msgspec.structs.replace(inputs, method="auto"), recorded)


def model_plan(inputs: Inputs, spec: str, shape: ModelShape, recorded: Recorded) -> Plan | Problem:
    """The plan for another model on the same machine and rows, with the method left to the rules,
    or what keeps it from being made. The rows count as the tokens that they were measured in."""
    inputs = msgspec.structs.replace(inputs, model=spec)
    try:
        return advised_plan(inputs, msgspec.structs.replace(recorded, model=shape))
    except Problem as problem:
        return problem


def method_plan(inputs: Inputs, recorded: Recorded, method_id: str) -> Plan:
    """The plan with that method; `Problem` as `make_plan`."""
    return make_plan(with_method(inputs, method_id), recorded)


def room_for(plan: Plan, recorded: Recorded, what: Literal["length", "rows"]) -> int:
    """The longest rows, in tokens, or the largest micro-batch, in rows, whose safe bound is within
    the free memory when all else stays as planned. 0 when not even one fits.

    Rows of such a length need a max_length that is as high; no length is above the model's context.
    """
    settings = {key: decision.value for key, decision in plan.settings.items()}
    setup = method(plan.method.value).training_setup(
        plan.device.value,
        lowest_capability(planned_gpus(plan, recorded.snapshot)),
        settings,
        recorded.data.length_max,
    )
    free = plan.chosen().free_bytes

    def fits(number: int) -> bool:
        change = {"seq_len": number} if what == "length" else {"micro_batch": number}
        tried = msgspec.structs.replace(setup, **change)
        return judge(estimate_training(recorded.model, tried), free) == "fits"

    if what == "length":
        return largest(fits, recorded.model.max_position_embeddings or LONGEST)
    return largest(fits, max(1, recorded.data.rows))


class WhatIf:
    """Plans around one session, each made once: for every method, and for every change tried.

    `inputs` and `recorded` are what the plan is made from; `assumed` marks facts of the data that
    were not measured: such rows are as long as the max_length that is asked for. `given` is the
    record as it came. Not frozen only because it remembers.
    """

    def __init__(self, inputs: Inputs, recorded: Recorded, *, assumed: bool = False) -> None:
        self.inputs = inputs
        self.given = recorded
        self.assumed = assumed
        self.recorded = self._recorded_for(inputs)
        self._plans: dict[str, Plan | Problem] = {}
        self._rooms: dict[tuple[str, str], int] = {}

    @property
    def in_use(self) -> str | None:
        """The method that was asked for; None where it is left to the rules."""
        return None if self.inputs.method == "auto" else self.inputs.method

    @property
    def advised(self) -> Plan | Problem:
        """The plan with the method left to the rules."""
        return self._once("", lambda: advised_plan(self.inputs, self.recorded))

    def plan(self, method_id: str) -> Plan | Problem:
        """The plan with that method."""
        return self._once(method_id, lambda: method_plan(self.inputs, self.recorded, method_id))

    def changed(self, method_id: str, key: str, value: Any) -> Plan | Problem:
        """The plan with that method and one setting changed."""
        inputs = with_setting(self.inputs, key, value)
        return self._once(
            f"{method_id} {key}={value!r}",
            lambda: method_plan(inputs, self._recorded_for(inputs), method_id),
        )

    def turned(self, method_id: str, key: str, value: Any) -> WhatIf:
        """The plans with one setting set for a method; None takes it back. A setting that the
        method in use lacks takes the method that has it. `Problem` where that method, or the one
        that would then be used, has no plan."""
        inputs, asked = with_setting(self.inputs, key, value), self.in_use
        if asked is not None:
            lacks = {resolve_setting(name)[0] for name in foreign_settings(inputs, asked)}
            inputs = with_method(inputs, method_id) if key in lacks else inputs
        tried = WhatIf(inputs, self.given, assumed=self.assumed)
        used = tried.advised if asked is None else tried.plan(asked)
        for plan in (tried.plan(method_id), used):
            if isinstance(plan, Problem):
                raise plan
        return tried

    def _recorded_for(self, inputs: Inputs) -> Recorded:
        asked = [v for n, v in inputs.overrides.items() if resolve_setting(n)[0] == _LENGTH]
        if not self.assumed or not asked:
            return self.given
        facts = assumed_facts(self.given.model.max_position_embeddings, asked[-1])
        return msgspec.structs.replace(self.given, data=facts)

    def is_known(self, method_id: str, key: str, value: Any) -> bool:
        """Whether `changed` was asked for already, so that asking again costs nothing."""
        return f"{method_id} {key}={value!r}" in self._plans

    def room(self, method_id: str, what: Literal["length", "rows"]) -> int | None:
        """`room_for` of that method's plan; None when it has none."""
        plan = self.plan(method_id)
        if isinstance(plan, Problem):
            return None
        if (method_id, what) not in self._rooms:
            self._rooms[method_id, what] = room_for(plan, self.recorded, what)
        return self._rooms[method_id, what]

    def _once(self, name: str, make: Callable[[], Plan]) -> Plan | Problem:
        if name not in self._plans:
            try:
                self._plans[name] = make()
            except Problem as problem:
                self._plans[name] = problem
        return self._plans[name]
