"""Every training method keeps the contract that planner, stage and screens rely on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from train_jobs import FACTS, SHAPE

from tunewright.engine.train import registry
from tunewright.engine.train.defaults import default_settings
from tunewright.engine.train.method import Method
from tunewright.engine.train.names import settings as known_settings
from tunewright.engine.train.values import check_value
from tunewright.hardware.errors import Problem

METHODS = registry.methods()
SITUATIONS = [("cpu", None), ("cuda", (8, 0)), ("cuda", (7, 5)), ("cuda", None)]


def test_every_module_of_the_folder_is_a_method_under_its_own_name() -> None:
    folder = Path(registry.__file__).parent / "methods"
    modules = {path.stem for path in folder.glob("[!_]*.py")}

    assert set(METHODS) == modules
    assert next(iter(METHODS)) == "lora"


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_says_what_it_is_and_what_it_costs(method: Method) -> None:
    assert method.title
    assert len(method.trade_off) > 40
    assert all(importlib.util.find_spec(package) for package in method.needs)
    module, function = method.run.split(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert method.makes == ("model" if method.trainable == "all" else "adapter")


@pytest.mark.parametrize(("device", "capability"), SITUATIONS)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_its_defaults_are_settings_that_exist_in_its_groups_and_give_a_size(
    method: Method, device: str, capability: tuple[int, int] | None
) -> None:
    decisions = default_settings(method, FACTS, SHAPE, device=device, capability=capability)
    values = {key: decision.value for key, decision in decisions.items()}
    fixed = {key for key, _, _ in method.settings}

    for key, decision in decisions.items():
        # What is shown while it trains is decided with it, and belongs to no method.
        assert key.partition(".")[0] in (*method.groups, "evaluation")
        assert key in known_settings() or key in fixed
        if key in known_settings():
            check_value(key, decision.value, known_settings()[key], SHAPE)
        assert len(decision.because) > 15
        assert decision.rule
        assert msgspec.json.decode(msgspec.json.encode(decision.value)) == decision.value
    setup = method.training_setup(device, capability, values, FACTS.length_max)
    assert setup.weights == method.weights(device, capability)
    assert setup.seq_len == FACTS.length_max
    assert (setup.rank > 0) == (method.trainable == "lora")


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_no_16_bit_arithmetic_is_planned_where_there_is_none(method: Method) -> None:
    assert method.precision("cpu").compute == "float32"
    assert method.precision("cuda", (7, 5)).compute == "float16"
    assert method.precision("cuda", (7, 5)).trained == "float32"
    assert method.precision("cuda", None) == method.precision("cuda", (7, 5))
    assert method.precision("cuda", (9, 0)).compute == "bfloat16"


def test_full_fine_tuning_keeps_float32_master_weights_everywhere() -> None:
    full = METHODS["full"]

    assert {full.weights(device, capability) for device, capability in SITUATIONS} == {"float32"}


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Problem, match="no method 'dora'") as caught:
        registry.method("dora")
    assert "lora, qlora, full" in caught.value.why


def test_listing_methods_names_and_defaults_imports_nothing_heavy() -> None:
    code = (
        "import sys, pkgutil, importlib, tunewright.engine.eject.eject\n"
        "import tunewright.engine.train as t\n"
        "names = [m.name for m in pkgutil.walk_packages(t.__path__, t.__name__ + '.')]\n"
        "assert len(names) > 15, names\n"
        "for name in names: importlib.import_module(name)\n"
        "from tunewright.engine.train.registry import methods; methods()\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets', 'numpy', 'tokenizers',\n"
        "         'jinja2', 'psutil', 'textual', 'difflib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stderr
