"""`trace`: the peak of one training step of any model, from its config.json alone, without a GPU.

The real step of transformers, peft and TRL runs on fake tensors in a process of its own, and what
it asks of memory is replayed through a model of torch's CUDA allocator. Light to import.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.environment import missing_training_packages
from tunewright.engine.files import write_atomic
from tunewright.engine.text import shorten
from tunewright.engine.trace.setup import Answer, Order, TraceResult, TraceSetup
from tunewright.hardware.errors import Exit, Problem
from tunewright.hardware.memory.training import check_batch, check_trainable
from tunewright.hardware.model_config import ModelConfig, read_config

# Raised with every change of what a trace says: older answers are then not taken from the cache.
_REVISION = 2
_PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes")
# Facts of config.json that change nothing about memory.
_NOT_MEMORY = {"_name_or_path", "transformers_version", "bos_token_id", "eos_token_id"}
_TIMEOUT_SECONDS = 600


def trace(
    config: Path, setup: TraceSetup, *, cache: Path | None = None, python: str = sys.executable
) -> TraceResult:
    """Trace one training step of the model that `config` (config.json, or its folder) describes.

    Takes about ten seconds of one core, most of it importing; a result is kept below `cache`
    (None: not at all) by configuration, step and library versions. `python` is an interpreter with
    the training packages. Problem for a config that is missing, absurd or of an unknown
    architecture, a step that cannot be, and a worker that dies (the last line of what it said).
    """
    path = config / "config.json" if config.is_dir() else config
    facts = read_config(path)
    _check(facts, setup)
    order = Order(json.loads(path.read_bytes()), setup)
    kept = None if cache is None else cache / "traces" / f"{_key(order, python)}.json"
    if kept is not None and (found := _kept(kept)) is not None:
        return found
    result = _run(order, python)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(kept, msgspec.json.encode(result))
    return result


def _check(facts: ModelConfig, setup: TraceSetup) -> None:
    check_batch(setup.micro_batch, setup.seq_len)
    check_trainable(setup.weights, setup.trainable)
    if setup.devices < 1 or (setup.sharding != "none" and setup.devices < 2):
        raise Problem(
            f"{setup.devices} devices cannot share the model",
            why="sharding needs two or more",
            cure="say how many there are, or trace without sharding",
        )
    if setup.sharding == "fsdp" and setup.weights == "nf4":
        raise Problem(
            "4-bit weights on FSDP2 cannot be traced",
            why="accelerate leaves them whole on each device, and fakes of them do not bear it",
            cure="size it without --trace",
        )
    if setup.sharding == "ddp" and setup.loss == "fused":
        raise Problem(
            "Liger's loss under DDP cannot be traced",
            why="the stand-in for its kernel goes past the wrapped model, and so past the reducer",
            cure="size it without --trace, or trace the chunked loss",
        )
    if setup.trainer == "dpo":
        _check_dpo(setup)
    rank = setup.adapter.get("r")
    low_rank = setup.trainable == "adapter" and setup.adapter.get("peft_type") == "LORA"
    if low_rank and (not isinstance(rank, int) or not 1 <= rank <= facts.hidden_size):
        raise Problem(
            f"LoRA of rank {rank} makes no sense on this model",
            why=f"a rank is a whole number from 1 to the model's width, {facts.hidden_size}",
            cure="set lora.r to 8, 16, 32 or 64",
        )


def _check_dpo(setup: TraceSetup) -> None:
    why = None
    if setup.loss != "chunked":
        why = f"TRL's DPOTrainer has the chunked head alone, no {setup.loss} loss"
    elif setup.packed:
        why = "TRL's DPOTrainer does not pack pairs"
    elif setup.sharding == "fsdp":
        why = "its reference would be sharded beside the model, which is not run on fake tensors"
    if why is not None:
        raise Problem("this step of DPO cannot be traced", why=why, cure="size it without --trace")


def _key(order: Order, python: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    versions: dict[str, str | None] = {}
    for name in _PACKAGES if python == sys.executable else ():
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    told: dict[str, Any] = {
        "revision": _REVISION,
        "python": None if python == sys.executable else python,
        "versions": versions,
        "config": {k: v for k, v in order.config.items() if k not in _NOT_MEMORY},
        "setup": msgspec.to_builtins(order.setup),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _kept(path: Path) -> TraceResult | None:
    # A file that was cut off or is of another format is made anew.
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=TraceResult)
    return None


def _run(order: Order, python: str) -> TraceResult:
    import subprocess

    if python == sys.executable and (missing := missing_training_packages()):
        raise Problem(
            "a step cannot be traced here",
            why="it runs the training libraries, and these are missing: " + ", ".join(missing),
            cure="pip install 'tunewright[train]', or size without --trace",
        )
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "",  # nothing is run on a device
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    try:
        done = subprocess.run(
            [python, "-m", "tunewright.engine.trace.worker"],
            input=msgspec.json.encode(order),
            capture_output=True,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise _died(f"{python}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise _died(f"it took longer than {_TIMEOUT_SECONDS} seconds") from error
    if done.returncode:
        raise _died(_last_words(done.stderr, done.returncode))
    try:
        answer = msgspec.json.decode(done.stdout, type=Answer)
    except msgspec.DecodeError as error:
        raise _died(f"its answer cannot be read: {error}") from error
    if answer.refusal is not None:
        raise Problem(answer.refusal.what, why=answer.refusal.why, cure=answer.refusal.cure)
    if answer.result is None:
        raise _died("its answer is empty")
    return answer.result


def _last_words(said: bytes, code: int) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{ended}; {shorten(lines[-1].strip(), 300)}" if lines else ended


def _died(why: str) -> Problem:
    return Problem(
        "the step could not be traced",
        why=f"the tracing process gave no figure: {why}",
        cure="size it without --trace; `tunewright size` still gives the closed form",
        exit=Exit.FAILED,
    )
