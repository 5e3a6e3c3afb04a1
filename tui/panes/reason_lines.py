"""Every decision of a plan with its reason, as rows and in full: no Textual here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from rich.text import Text

from tunewright.engine.demo.session import of_demo
from tunewright.engine.plan import Decision, Plan
from tunewright.engine.sizing import WhatIf
from tunewright.engine.text import plain
from tunewright.tui.knobs import told
from tunewright.tui.labelled import labelled
from tunewright.tui.widgets.rows import Row

_WARNING = "warning:"

SetBy = Literal["rules", "person", "demo"]
_MARKS: dict[SetBy, str] = {"rules": "", "person": "you", "demo": "demo"}


def reason_rows(what_if: WhatIf, plan: Plan) -> list[Row]:
    """Every decision: what was decided, and why. A person's own ones are marked and come first,
    then the demo's."""
    demo = of_demo(what_if.inputs)
    rows = [
        Row(
            key,
            (
                _MARKS[set_by(key, decision, demo)],
                key,
                told(decision.value),
                Text(plain(because_of(key, decision, demo)), "dim"),
            ),
        )
        for key, decision in _decisions(what_if, plan).items()
    ]
    rows.sort(key=lambda row: ("you", "demo", "").index(str(row.cells[0])))
    warnings = [
        Row(f"{_WARNING}{at}", ("!", "warning", "", Text(plain(warning))))
        for at, warning in enumerate(plan.warnings)
    ]
    return [*warnings, *rows]


def _decisions(what_if: WhatIf, plan: Plan) -> dict[str, Decision]:
    """All of a plan under their keys. The advised method keeps the reason why it is advised, which
    in a plan that asks for it is only that it was asked for."""
    advised = what_if.advised
    is_advised = isinstance(advised, Plan) and advised.method.value == plan.method.value
    method = advised.method if isinstance(advised, Plan) and is_advised else plan.method
    return {"method": method, "device": plan.device, **plan.settings}


def reason_lines(what_if: WhatIf, plan: Plan, key: str, width: int, most: int) -> list[Text]:
    """One decision in full: its rule, its reason, and what was not taken."""
    if key.startswith(_WARNING):
        return labelled("warning: ", plan.warnings[int(key.removeprefix(_WARNING))], width, most)
    decision = _decisions(what_if, plan).get(key)
    if decision is None:
        return []
    value = plain(str(decision.value))
    head = f"{key} = {value} (rule {decision.rule}): "
    because = _said_by(set_by(key, decision, of_demo(what_if.inputs)), decision.because)
    lines = labelled(head, because, width, most, "bold")
    for other in decision.alternatives:
        lines += labelled(f"  not {told(other.value)}: ", other.why_not, width, most)
    return lines[:most]


def set_by(key: str, decision: Decision, demo: Collection[str]) -> SetBy:
    """Who decided: the rules, or against them the person or the demo, whose keys are `demo`."""
    if decision.rule != "override":
        return "rules"
    return "demo" if key in demo else "person"


def because_of(key: str, decision: Decision, demo: Collection[str]) -> str:
    """The reason on one line; what a person or the demo set says what was advised instead."""
    because = decision.because
    if decision.rule == "override" and decision.alternatives:
        because = f"you set it; advised is {told(decision.alternatives[0].value)}"
    return _said_by(set_by(key, decision, demo), because)


def _said_by(whose: SetBy, because: str) -> str:
    # A plan has the same words for whatever stands in the inputs.
    return because.replace("you set it", "the demo sets it", 1) if whose == "demo" else because
