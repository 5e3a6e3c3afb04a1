"""The training methods there are: every module of `methods/` that sets `METHOD`."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from tunewright.engine.train.method import Method
from tunewright.hardware.errors import Problem

# Cheapest quality first: what a planner tries in this order. A method not named here comes last.
_ORDER = ("lora", "qlora", "full")


@cache
def methods() -> dict[str, Method]:
    """All methods by id; found by listing the folder, so a new method is one new file."""
    modules = (Path(__file__).parent / "methods").glob("[!_]*.py")
    names = [f"{__package__}.methods.{module.stem}" for module in modules]
    found = [importlib.import_module(name).METHOD for name in names]
    rank = {id: at for at, id in enumerate(_ORDER)}
    found.sort(key=lambda method: (rank.get(method.id, len(rank)), method.id))
    return {method.id: method for method in found}


def method(id: str) -> Method:
    """The method of that id; a `Problem` that lists the others when there is none."""
    try:
        return methods()[id]
    except KeyError as error:
        raise Problem(
            f"there is no method {id!r}",
            why=f"the methods are: {', '.join(methods())}",
            cure="name one of them with --method, or leave it at auto",
        ) from error
