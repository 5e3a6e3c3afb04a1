"""The configuration with which `accelerate launch` starts an ejected script as planned."""

from __future__ import annotations

from tunewright.engine.plan import Plan


def accelerate_config(plan: Plan) -> str:
    """One process on each device, which are named by UUID; the script's own settings say the rest.
    accelerate puts `gpu_ids` into CUDA_VISIBLE_DEVICES as they stand."""
    count = max(1, len(plan.devices))
    mixed = "bf16" if plan.value("training.bf16") else "no"
    mixed = "fp16" if plan.value("training.fp16") else mixed
    lines = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU" if count > 1 else "'NO'",
        "mixed_precision": f"'{mixed}'",
        "use_cpu": "true" if plan.device.value == "cpu" else "false",
        "num_machines": "1",
        "num_processes": str(count),
        "machine_rank": "0",
        "main_training_function": "main",
    }
    if count > 1:
        lines["gpu_ids"] = f"'{','.join(device.uuid or device.label for device in plan.devices)}'"
    return "".join(f"{key}: {value}\n" for key, value in lines.items())
