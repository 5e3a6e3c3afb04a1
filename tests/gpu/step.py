"""A short training as the product plans and runs it, in this process; prints JSON on stdout.

    python tests/gpu/step.py [tiny]

On the GPU that is visible, with its memory recorded; without one on the CPU, which shows only that
the script works. The model is random and wide enough (68M parameters, 4 rows of 384 tokens) that
its weights, activations and loss are each some tens of MiB; "tiny" makes it the tests' own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

STEPS = 3
WIDE = {"HIDDEN": 1024, "INTERMEDIATE": 2816, "LAYERS": 6, "HEADS": 16, "KV_HEADS": 4}


def planned(folder: Path, *, wide: bool) -> Any:
    """A session of a random model, planned for this machine."""
    import tiny

    from tunewright.engine.planner import look, plan_recorded
    from tunewright.engine.session import VERSION, DataInput, Inputs, Session

    if wide:
        for name, value in WIDE.items():
            setattr(tiny, name, value)
    model = tiny.build_tiny_model(folder / "model")
    data = tiny.build_tiny_data(folder, rows=48)
    if wide:
        rows = [json.loads(line) for line in data.train.read_text().splitlines()]
        long = [row | {"prompt": f"{row['prompt']} " * 40} for row in rows]
        data.train.write_text("\n".join(map(json.dumps, long)) + "\n")
    inputs = Inputs(
        name="check-gpu",
        model=str(model),
        data=DataInput(path=str(data.train), eval_path=str(data.eval)),
        method="lora",
        overrides={
            "training.max_steps": STEPS,
            "training.save_steps": STEPS,
            "training.eval_strategy": "no",
            "training.load_best_model_at_end": False,
            "training.per_device_train_batch_size": 4,
            "training.max_length": 384 if wide else 64,
        },
        # What is checked is the formula, without what earlier runs taught.
        correct_memory=False,
    )
    inputs, recorded = look(inputs, folder)
    return plan_recorded(Session(VERSION, inputs), recorded)


def trained(session: Any, folder: Path) -> dict[str, Any]:
    """Train as planned; what was predicted and what was measured, bytes."""
    import torch
    from attribution import attribute

    from tunewright.engine.run.job import Job, NoOrders
    from tunewright.engine.train.registry import method
    from tunewright.engine.train.trainer import build_trainer, quiet_libraries

    quiet_libraries()
    plan = session.plan
    cuda = plan.device.value == "cuda"
    job = Job(
        run_dir=folder,
        session=session,
        model_dir=Path(session.inputs.model),
        attempt=1,
        device=plan.device.value,
        emit=lambda event: None,
        orders=NoOrders(),
    )
    if cuda:
        # Python frames alone: C++ ones cost seconds and tell the terms no better.
        torch.cuda.memory._record_memory_history(stacks="python")
    trainer = build_trainer(job, method("lora"), folder / "checkpoints", resuming=False)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    estimate = plan.chosen().estimate
    predicted = estimate.measured_as("allocated")
    told: dict[str, Any] = {
        "device": plan.device.value,
        "steps": trainer.state.global_step,
        "predicted": {item.id: item.bytes for item in estimate.items},
        "expected": predicted.expected_bytes,
        "low": predicted.low_bytes,
        "safe": predicted.safe_bytes,
    }
    if cuda:
        told["measured"] = torch.cuda.max_memory_allocated()
        told["reserved"] = torch.cuda.max_memory_reserved()
        found = attribute(torch.cuda.memory._snapshot()["device_traces"][0])
        told["found"] = {"peak": found.peak_bytes, "items": found.items}
    return told


def main() -> None:
    wide = "tiny" not in sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        os.environ["TUNEWRIGHT_HOME"] = place
        # Libraries print to stdout, which is for the JSON alone.
        with contextlib.redirect_stdout(sys.stderr):
            told = trained(planned(Path(place), wide=wide), Path(place))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
