"""Comparing a replay with what was recorded: decisions and plan exactly, losses as far as the
environment lets them be equal, and a named cause for what differs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from tunewright.engine.plan import Plan
from tunewright.engine.session import Environment, Expectation, Recorded
from tunewright.engine.train.rules.samples import SHOWN_ONLY

if TYPE_CHECKING:
    from tunewright.engine.run.rundir import RunDir

# Other kernels reorder sums: early losses differ in the last digits, and training amplifies that.
# These bounds are stated with each comparison that uses them.
LOSS_TOLERANCE = 0.05
FIGURE_TOLERANCE = 0.15


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as it was recorded. `where` is a path such as `plan.method.value`."""

    where: str
    recorded: Any
    now: Any


class Comparison(msgspec.Struct, frozen=True):
    """`tolerance` is None when equality was asked for digit by digit. `causes` names what differs
    around the run (versions, threads …), nearest cause first; `compared` what was looked at."""

    equal: bool
    differences: tuple[Difference, ...]
    tolerance: str | None
    causes: tuple[str, ...]
    compared: str


def plan_differences(recorded: Plan, now: Plan) -> tuple[Difference, ...]:
    """Every decision, setting and stage that is not equal. Free memory counts only through the
    verdict that it leads to, since it is never the same twice; and settings that only show how a
    run goes, unless the recorded plan knew of them."""
    differences: list[Difference] = []
    planned = _comparable(now)
    for key in SHOWN_ONLY:
        if key not in recorded.settings:
            planned["settings"].pop(key, None)
    _walk("plan", _comparable(recorded), planned, differences)
    return tuple(differences)


def _comparable(plan: Plan) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(plan)
    for fit in whole["fits"]:
        del fit["free_bytes"]
    # Another machine has other devices, and a person may name one: what follows from it is in the
    # fits and the settings.
    del whole["devices"]
    whole["device"] = {"value": plan.device.value}
    # A reason quotes free memory; the rule that fired and the value it gave are what must hold.
    del whole["method"]["because"]
    for alternative in whole["method"]["alternatives"]:
        alternative.pop("why_not", None)
    return whole


def _walk(where: str, a: Any, b: Any, found: list[Difference]) -> None:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys((*a, *b)):
            _walk(f"{where}.{key}", a.get(key), b.get(key), found)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            name = x.get("id") or x.get("method") if isinstance(x, dict) else None
            _walk(f"{where}[{name or index}]", x, y, found)
    elif a != b:
        found.append(Difference(where, a, b))


def environment_differences(recorded: Environment, now: Environment) -> tuple[str, ...]:
    """What could make losses differ, in words; empty when they must be equal digit for digit."""
    found = []
    if recorded.platform != now.platform:
        found.append(f"platform: {recorded.platform} -> {now.platform}")
    for name in dict.fromkeys((*recorded.packages, *now.packages)):
        was, is_ = recorded.packages.get(name), now.packages.get(name)
        if was != is_:
            found.append(f"{name}: {was or 'absent'} -> {is_ or 'absent'}")
    if recorded.cpu_features != now.cpu_features:
        changed = sorted(set(recorded.cpu_features) ^ set(now.cpu_features))
        found.append(f"CPU features: {', '.join(changed)}")
    if recorded.device != now.device and recorded.device and now.device:
        found.append(f"GPU: {recorded.device} -> {now.device}")
    for kind in dict.fromkeys((*recorded.threads, *now.threads)):
        was_threads, now_threads = recorded.threads.get(kind), now.threads.get(kind)
        if was_threads != now_threads and was_threads and now_threads:
            found.append(f"threads ({kind}): {was_threads} -> {now_threads}")
    return tuple(found)


def expectation_of(run: RunDir) -> Expectation:
    """What a run gave, read from its events and results."""
    from tunewright.engine.run.rollup import read_curves

    curves = read_curves(run.events)
    figures = {}
    for path in sorted(run.results.glob("*.json")):
        result = msgspec.json.decode(path.read_bytes())
        if isinstance(result, dict) and result.get("figures"):
            figures[path.stem] = result["figures"]
    return Expectation(
        steps=tuple(curves.step),
        losses=tuple(None if math.isnan(loss) else loss for loss in curves.loss),
        eval_losses={
            str(step): loss for step, loss in zip(curves.eval_step, curves.eval_loss, strict=True)
        },
        figures=figures,
    )


def environment_of(run: RunDir) -> Environment | None:
    """The environment the worker really had, or None if it never got so far."""
    path = run.results / "environment.json"
    if not path.is_file():
        return None
    environment = msgspec.json.decode(path.read_bytes(), type=Environment)
    from tunewright.engine.train.threads import recorded_threads

    return msgspec.structs.replace(environment, threads=recorded_threads(run.results))


def compare_results(
    recorded: Recorded, got: Expectation, environment: Environment, *, whole: bool = True
) -> Comparison:
    """Losses, evaluations and figures of a replay against `recorded.expect`.

    Exact when the environments agree, else within the stated tolerance. With `whole` false (fewer
    steps or stages were asked for) only what both have is compared.
    """
    expect = recorded.expect
    assert expect is not None
    causes = environment_differences(recorded.environment, environment)
    exact = not causes
    found: list[Difference] = []
    losses = _compare_series(
        "loss at step",
        dict(zip(expect.steps, expect.losses, strict=True)),
        dict(zip(got.steps, got.losses, strict=True)),
        None if exact else LOSS_TOLERANCE,
        whole,
        found,
    )
    evals = _compare_series(
        "eval loss at step",
        {int(step): loss for step, loss in expect.eval_losses.items()},
        {int(step): loss for step, loss in got.eval_losses.items()},
        None if exact else LOSS_TOLERANCE,
        whole,
        found,
    )
    figures = 0
    stages = [s for s in expect.figures if whole or s in got.figures]
    # Figures of a run that trained for fewer steps belong to another model.
    if got.steps == expect.steps:
        for stage in stages:
            figures += _compare_series(
                stage,
                expect.figures[stage],
                got.figures.get(stage, {}),
                None if exact else FIGURE_TOLERANCE,
                True,
                found,
            )
    tolerance = None
    if not exact:
        tolerance = (
            f"losses within {LOSS_TOLERANCE:.0%}, figures within {FIGURE_TOLERANCE:g}, "
            "since the environment differs"
        )
    return Comparison(
        equal=not found,
        differences=tuple(found),
        tolerance=tolerance,
        causes=causes if causes else _inner_causes(found, recorded.environment, environment),
        compared=f"{losses} losses, {evals} evaluations, {figures} figures",
    )


def compare_figures(expect: Expectation, got: Expectation) -> Comparison:
    """Figures of a replay at an endpoint: the server is not part of what was recorded, so they are
    compared within the tolerance, verdicts exactly."""
    found: list[Difference] = []
    count = sum(
        _compare_series(stage, figures, got.figures.get(stage, {}), FIGURE_TOLERANCE, True, found)
        for stage, figures in expect.figures.items()
    )
    return Comparison(
        equal=not found,
        differences=tuple(found),
        tolerance=f"figures within {FIGURE_TOLERANCE:g}, since a server answered",
        causes=("the server, or the model that it serves, may have changed",) if found else (),
        compared=f"{count} figures",
    )


def _compare_series(
    name: str,
    expected: dict[Any, Any],
    got: dict[Any, Any],
    tolerance: float | None,
    whole: bool,
    found: list[Difference],
) -> int:
    keys = [key for key in expected if whole or key in got]
    for key in keys:
        was, now = expected[key], got.get(key)
        if not _agree(was, now, tolerance):
            found.append(Difference(f"{name} {key}", was, now))
    if whole:
        found.extend(Difference(f"{name} {k}", None, got[k]) for k in got if k not in expected)
    return len(keys)


def _agree(was: Any, now: Any, tolerance: float | None) -> bool:
    if tolerance is None or was is None or now is None or isinstance(was, (str, bool)):
        return bool(was == now)
    return bool(abs(was - now) <= tolerance * max(1.0, abs(was)))


def _inner_causes(
    found: list[Difference], recorded: Environment, now: Environment
) -> tuple[str, ...]:
    """With an equal environment: what the first difference says about where to look, and what is
    not the same though it should change no digit."""
    if not found:
        return ()
    odd = tuple(
        f"{name}: {was} -> {is_}"
        for name, was, is_ in (
            ("CPU model", recorded.cpu_model, now.cpu_model),
            ("Python", recorded.python, now.python),
        )
        if was and is_ and was != is_
    )
    return (*odd, *_where_to_look(found))


def _where_to_look(found: list[Difference]) -> tuple[str, ...]:
    where = found[0].where
    if where.startswith("loss at step"):
        step = int(where.rpartition(" ")[2])
        if step <= 1:
            return (
                "the first loss differs already: the model's weights, the rows or their order are "
                "not the same, though versions, threads and CPU agree",
            )
        return (
            f"equal up to step {step - 1}, then not: something outside the plan changed the run "
            "(a resume from a checkpoint of another run, or a kernel that is not deterministic)",
        )
    return (f"training agrees; the first difference is {where}",)
