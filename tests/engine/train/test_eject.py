"""The ejected script needs no Tunewright and gives the losses that the run had."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tiny import TinyData
from train_jobs import FACTS, Run
from transformers.utils import chat_template_utils

from tunewright.engine.eject.eject import eject
from tunewright.engine.eject.script import render_script
from tunewright.engine.plan import Decision, PlannedDevice
from tunewright.engine.run.events import Evaluated
from tunewright.engine.session import save_session
from tunewright.hardware.errors import Problem

PACKED = {
    "training.packing": True,
    "training.max_length": 128,
    "training.per_device_train_batch_size": 1,
}


def trained(run: Run) -> Run:
    run.train()
    save_session(run.session, run.folder / "session.json")
    return run


def history(script: Path, step: int = 12) -> tuple[dict[int, float], dict[int, float]]:
    """(losses, evaluation losses) by step, as the script's own Trainer wrote them down."""
    state = script.parent / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json"
    entries = json.loads(state.read_text())["log_history"]
    losses = {e["step"]: e["loss"] for e in entries if "loss" in e}
    return losses, {e["step"]: e["eval_loss"] for e in entries if "eval_loss" in e}


@pytest.mark.parametrize(
    ("method", "overrides"),
    [
        ("lora", {}),
        ("full", {}),
        ("qlora", {}),
        ("lora", PACKED),
        ("lora", {"loss.on": "all"}),
        ("lora", {"loss.on": "assistant"}),
    ],
    ids=["lora", "full", "qlora", "packed", "all", "assistant"],
)
def test_it_gives_the_same_losses_digit_for_digit(
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    overrides: dict[str, Any],
) -> None:
    run = trained(Run(tmp_path / "run", tiny_model, tiny_data, method, overrides))
    script = eject(run.folder, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    losses, evaluated = history(script)
    artefact = (
        "model/model.safetensors" if method == "full" else "adapter/adapter_model.safetensors"
    )

    assert losses == run.losses
    assert evaluated == {event.step: event.eval_loss for event in run.of(Evaluated)}
    assert (script.parent / artefact).read_bytes() == (run.folder / artefact).read_bytes()


def test_it_trains_multi_turn_rows_as_the_run_does(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [("user", "Ana"), ("assistant", "lamp"), ("user", "and Ben"), ("assistant", "desk")]
    rows = [
        {"messages": [{"role": r, "content": f"{c} {i if r == 'user' else ''}"} for r, c in turns]}
        for i in range(60)
    ]
    lines = [json.dumps(row) for row in rows]
    data = TinyData(tmp_path / "train.jsonl", tmp_path / "eval.jsonl")
    data.train.write_text("\n".join(lines[:48]))
    data.eval.write_text("\n".join(lines[48:]))
    run = trained(Run(tmp_path / "run", tiny_model, data, overrides={"loss.on": "assistant"}))
    script = eject(run.folder, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")

    assert history(script)[0] == run.losses


def test_the_tools_of_a_row_are_what_the_template_writes(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    template = model / "chat_template.jinja"
    template.write_text("{% if tools %}{{ tools | tojson }}{% endif %}" + template.read_text())
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Ana {i}"},
                {"role": "assistant", "content": "lamp"},
            ],
            "tools": [{"type": "function", "function": {"name": f"find_{i}"}}],
        }
        for i in range(60)
    ]
    lines = [json.dumps(row) for row in rows]
    data = TinyData(tmp_path / "train.jsonl", tmp_path / "eval.jsonl")
    data.train.write_text("\n".join(lines[:48]))
    data.eval.write_text("\n".join(lines[48:]))
    run = trained(Run(tmp_path / "run", model, data))
    script = eject(run.folder, tmp_path / "out")
    written = "".join(path.read_text() for path in script.parent.rglob("*.jsonl"))
    assert '"name":"find_7"' in written
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    assert history(script)[0] == run.losses


def test_a_template_that_asks_for_the_day_is_told_that_of_the_run(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    dated = shutil.copytree(tiny_model, tmp_path / "dated")
    template = dated / "chat_template.jinja"
    template.write_text("{{ strftime_now('%B %d') }}\n" + template.read_text())
    run = Run(tmp_path / "run", dated, tiny_data)
    data = msgspec.structs.replace(run.session.inputs.data, date=date(2024, 7, 26))
    inputs = msgspec.structs.replace(run.session.inputs, data=data)
    run.session = msgspec.structs.replace(run.session, inputs=inputs)
    trained(run)
    script = eject(run.folder, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setattr(chat_template_utils, "datetime", chat_template_utils.datetime)
    runpy.run_path(str(script), run_name="__main__")

    assert history(script)[0] == run.losses


def test_a_model_without_a_template_is_trained_on_plain_text_alike(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in tiny_model.iterdir():
        if path.name != "chat_template.jinja":
            (plain / path.name).write_bytes(path.read_bytes())
    run = Run(tmp_path / "run", plain, tiny_data)
    run.record(msgspec.structs.replace(FACTS, rendering="plain"))
    trained(run)
    script = eject(run.folder, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")

    assert "no chat template" in script.read_text()
    assert history(script)[0] == run.losses


@pytest.mark.slow
def test_it_runs_through_accelerate_in_a_process_of_its_own(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = trained(Run(tmp_path / "run", tiny_model, tiny_data))
    script = eject(run.folder, tmp_path / "out")
    # Nothing of this repository is on the path of that process.
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = ["-m", "accelerate.commands.launch", "--config_file", "accelerate.yaml", "train.py"]
    subprocess.run([sys.executable, *command], cwd=script.parent, env=clean, check=True)

    assert history(script)[0] == run.losses


def test_it_reads_as_a_script_with_its_reasons(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    text = render_script(run.session, tiny_model, has_held_out=True, threads=2)
    code = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]

    assert "import tunewright" not in text
    assert "from tunewright" not in text
    assert "# twice the rank" in text
    assert "torch.set_num_threads(2)" in text
    assert len(code) < 130
    assert max(map(len, text.splitlines())) <= 100 + len(str(tiny_model))
    assert re.search(r"^    learning_rate=0\.002,$", text, re.M)


def test_text_of_a_foreign_session_stays_text(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    evil = 'x"""\nimport os  # "\nos.abort()\n\\'
    plan = run.session.plan
    assert plan is not None
    rate = msgspec.structs.replace(plan.settings["training.learning_rate"], because=evil)
    run.session = msgspec.structs.replace(
        run.session,
        inputs=msgspec.structs.replace(run.session.inputs, name=evil),
        plan=msgspec.structs.replace(
            plan, settings=plan.settings | {"training.learning_rate": rate}
        ),
    )
    text = render_script(run.session, tiny_model, has_held_out=True)

    compile(text, "train.py", "exec")
    assert not re.search(r"^\s*(import os|os\.abort)", text, re.M)


def test_a_plan_with_a_setting_that_is_none_is_not_written_out(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    plan = run.session.plan
    assert plan is not None
    evil = {"training.seed=1)\nimport os#": plan.settings["training.seed"]}
    run.session = msgspec.structs.replace(
        run.session, plan=msgspec.structs.replace(plan, settings=plan.settings | evil)
    )
    save_session(run.session, run.folder / "session.json")

    with pytest.raises(Problem, match="no setting of LoRA"):
        eject(run.folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_session_without_a_plan_and_a_folder_in_use_are_refused(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    session = run.folder / "session.json"
    save_session(run.session, session)
    with pytest.raises(Problem, match="is not empty"):
        eject(session, run.folder)
    save_session(msgspec.structs.replace(run.session, plan=None), session)
    with pytest.raises(Problem, match="has no plan"):
        eject(session, tmp_path / "out")


@pytest.mark.slow
def test_two_processes_share_a_step_and_give_the_losses_of_one(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    """On gloo and the CPU, which stand for NCCL and two GPUs."""
    whole = {"training.per_device_train_batch_size": 4, "training.gradient_accumulation_steps": 1}
    run = trained(Run(tmp_path / "run", tiny_model, tiny_data, overrides=whole))
    half = Run(tmp_path / "half", tiny_model, tiny_data, overrides=whole)
    plan = half.session.plan
    assert plan is not None
    rows = Decision(2, "half of a step on each", "test")
    shared = msgspec.structs.replace(
        plan,
        settings=plan.settings | {"training.per_device_train_batch_size": rows},
        devices=tuple(PlannedDevice(str(n), f"GPU-{n}", "a GPU") for n in (0, 1)),
    )
    half.session = msgspec.structs.replace(half.session, plan=shared)
    save_session(half.session, half.folder / "session.json")
    script = eject(half.folder, tmp_path / "out")
    text = script.with_name("accelerate.yaml").read_text()
    assert "gpu_ids: 'GPU-0,GPU-1'" in text
    assert "num_processes: 2" in text
    # accelerate asks for MPI where there are no GPUs; its launcher is torchrun's otherwise.
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "train.py"]
    subprocess.run([sys.executable, *command], cwd=script.parent, env=clean, check=True)

    losses, evaluated = history(script, 24)
    assert losses == {step: pytest.approx(loss, rel=2e-3) for step, loss in run.losses.items()}
    alone = {event.step: event.eval_loss for event in run.of(Evaluated)}
    # Rows that fill the last batch of a process count twice.
    assert evaluated == {step: pytest.approx(alone[step], rel=1e-2) for step in evaluated}
    assert evaluated
    assert (script.parent / "adapter" / "adapter_model.safetensors").is_file()


def test_a_script_for_several_gpus_has_a_process_on_each(
    tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    run = Run(tmp_path / "run", tiny_model, tiny_data)
    plan = run.session.plan
    assert plan is not None
    devices = tuple(PlannedDevice(str(n), f"GPU-{n}", "a GPU") for n in (0, 1))
    shared = msgspec.structs.replace(
        plan, devices=devices, device=Decision("cuda", "the test says so", "test")
    )
    run.session = msgspec.structs.replace(run.session, plan=shared)
    text = render_script(run.session, tiny_model, has_held_out=True)

    compile(text, "train.py", "exec")
    assert 'device_map={"": f"cuda:{os.environ.get(\'LOCAL_RANK\', 0)}"},' in text
    assert "if trainer.is_world_process_zero():" in text
    assert "python train.py" not in text
    assert "accelerate launch --config_file accelerate.yaml train.py" in text
