"""size MODEL --serve: what serving takes, what context and how many rows fit, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunewright.hardware.errors import Exit, Problem
from tunewright.tui import say

if TYPE_CHECKING:
    import argparse

# What of a GPU's memory is known of one that is in use: vLLM takes its share of the whole.
_WEIGHTS = ("bfloat16", "float16", "fp8", "int8", "nf4", "gptq4", "gptq8", "awq4", "mxfp4")


def add_serve(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("serving")
    group.add_argument("--serve", action="store_true", help="size serving with vLLM instead")
    group.add_argument("--weights", choices=_WEIGHTS, default="bfloat16", help="their storage")
    group.add_argument("--kv-dtype", choices=("bfloat16", "fp8"), default="bfloat16")
    group.add_argument("--vllm", type=int, default=19, metavar="N", help="0.N (default: 19)")
    group.add_argument("--tensor-parallel", type=int, default=1, metavar="N", help="devices")
    group.add_argument("--gpu-share", type=float, default=0.9, metavar="X", help="of each device")
    group.add_argument("--context", type=int, metavar="N", help="tokens of each row")
    group.add_argument("--adapters", type=int, default=0, metavar="N", help="LoRA adapters at once")
    group.add_argument(
        "--rate", type=float, default=10.0, metavar="X", help="tokens/s that a user reads"
    )


def serve(options: argparse.Namespace) -> int:
    """Print the sizing of a server; exit code 3 when the weights do not fit."""
    from pathlib import Path

    from tunewright.engine.homes import cache_home
    from tunewright.engine.model_shape import model_shape
    from tunewright.engine.text import plain, size
    from tunewright.hardware.fit import most_free_gpu
    from tunewright.hardware.memory.serving import ServingSetup, estimate_serving
    from tunewright.hardware.speed import serving_speed, slowest_of
    from tunewright.hardware.take import take_snapshot
    from tunewright.hardware.whatif import imagine

    _check(options)
    shape, source = model_shape(options.model, Path.cwd(), cache_home())
    machine = take_snapshot() if options.hardware is None else imagine(options.hardware)
    gpu = most_free_gpu(machine)
    if gpu is None or gpu.total_bytes is None:
        raise Problem(
            "there is no GPU to serve on",
            why="vLLM is sized on NVIDIA GPUs, and this machine has none",
            cure="name a machine: --hardware 'L40S'",
        )
    if options.tensor_parallel > len(machine.gpus):
        raise Problem(
            f"--tensor-parallel {options.tensor_parallel} needs as many devices",
            why=f"the machine has {len(machine.gpus)}",
            cure="a smaller number, or --hardware with more",
        )
    # vLLM refuses to start where less than its share is free.
    share = min(options.gpu_share, (gpu.free_bytes or 0) / gpu.total_bytes)
    setup = ServingSetup(
        weights=options.weights,
        kv_dtype=options.kv_dtype,
        version=options.vllm,
        parallel=options.tensor_parallel,
        utilisation=share,
        batched_tokens=8192 if gpu.total_bytes >= 70 << 30 else 2048,
        max_rows=1024 if gpu.total_bytes >= 70 << 30 else 256,
        context=options.context,
        adapters=options.adapters,
        adapter_rank=options.rank or 16,
    )
    estimate = estimate_serving(shape, setup, gpu.total_bytes)
    context = options.context or min(4096, shape.max_position_embeddings or 4096)
    rows = max(1, min(int(estimate.kv_tokens // context), setup.max_rows))
    part = slowest_of([gpu])
    speed = None
    if part is not None and estimate.kv_tokens >= context:
        speed = serving_speed(
            shape, options.weights, part, rows=rows, prompt=context // 2, context=context,
            parallel=options.tensor_parallel,
        )  # fmt: skip
    fits = estimate.kv_tokens >= context
    users = 0 if speed is None else speed.users(options.rate)
    if options.json:
        data: dict[str, Any] = {
            "model": {"spec": options.model, "source": source},
            "fits": "fits" if fits else "no",
            "expected_bytes": estimate.needed.expected_bytes,
            "low_bytes": estimate.needed.low_bytes,
            "high_bytes": estimate.needed.high_bytes,
            "safe_bytes": estimate.needed.safe_bytes,
            "items": estimate.items,
            "kv_bytes": estimate.kv_bytes,
            "kv_tokens": estimate.kv_tokens,
            "kv_bytes_per_token": estimate.kv_bytes_per_token,
            "largest_context": estimate.largest_context,
            "context": context,
            "concurrency": estimate.kv_tokens / context,
            "speed": speed,
            "users": users,
            "assumptions": estimate.assumptions,
        }
        say.data(data)
        return Exit.DONE if fits else Exit.DOES_NOT_FIT
    say.line(f"{plain(options.model)}: {shape.parameters:,} parameters ({plain(source)})")
    badge = "SIM " if machine.simulated else ""
    say.line(f"device  {badge}{options.tensor_parallel}x {plain(gpu.name)}, {share:.0%} of it")
    say.line()
    for item in estimate.items:
        say.line(f"  {size(item.bytes):>10}  {item.id:<14} {item.why}")
    say.line(f"  {size(estimate.needed.expected_bytes):>10}  = before any cache")
    say.line(f"  {size(estimate.kv_bytes):>10}  left for keys and values")
    say.line()
    say.line(f"cache for {estimate.kv_tokens:,} tokens at {estimate.kv_bytes_per_token:,} bytes")
    say.line(f"largest context {estimate.largest_context:,} tokens; at {context:,} tokens "
             f"{estimate.kv_tokens / context:,.1f} rows at once")  # fmt: skip
    if speed is not None:
        each, all_, first = (
            speed.row_tokens_per_second, speed.tokens_per_second, speed.first_token_seconds,
        )  # fmt: skip
        say.line(
            f"with {rows} rows: {each.expected:,.0f} tokens/s each ({each.low:,.0f}-"
            f"{each.high:,.0f}), {all_.expected:,.0f} in all; first token after "
            f"{first.expected:.2f} s ({first.low:.2f}-{first.high:.2f})"
        )
        say.line(f"users who read {options.rate:g} tokens/s: {users}")
        say.line(f"assumed: {speed.why}")
    elif part is None:
        say.line("speed is not known: the catalogue does not have this GPU")
    for assumption in estimate.assumptions:
        say.line(f"assumed: {assumption}")
    if not fits:
        say.note(f"not even one row of {context:,} tokens fits beside the weights")
    return Exit.DONE if fits else Exit.DOES_NOT_FIT


def _check(options: argparse.Namespace) -> None:
    for flag, value in (
        ("--tensor-parallel", options.tensor_parallel),
        ("--context", options.context),
        ("--vllm", options.vllm),
    ):
        if value is not None and value < 1:
            raise Problem(f"{flag} {value} is not possible", why="it must be at least 1",
                          cure=f"correct {flag}")  # fmt: skip
    if not 0 < options.gpu_share <= 1:
        raise Problem(
            f"--gpu-share {options.gpu_share:g} is not possible",
            why="it is a share of the device: above 0, at most 1",
            cure="0.9 is vLLM's own",
        )
    if options.adapters < 0 or options.rate <= 0:
        raise Problem(
            "--adapters and --rate cannot be negative", why="they count", cure="correct them"
        )
