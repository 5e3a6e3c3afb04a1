"""Number formats: what the device can compute in decides them."""

from __future__ import annotations

from tunewright.engine.train.method import Capability, Method
from tunewright.engine.train.rules.book import Book
from tunewright.hardware.memory.estimate import Device


def decide_precision(book: Book, method: Method, device: Device, capability: Capability) -> None:
    """The dtype that the base is loaded in, mixed precision, and the attention kernel."""
    precision = method.precision(device, capability)
    rule = f"precision.{method.id}.{device}"
    book.decide("model.dtype", precision.load_dtype, precision.because, rule)
    book.decide(
        "training.bf16",
        precision.mixed == "bf16",
        "bfloat16 has the range of float32, so no loss scaling is needed"
        if precision.mixed == "bf16"
        else "no bfloat16 arithmetic here: " + precision.because,
        rule,
    )
    book.decide(
        "training.fp16",
        precision.mixed == "fp16",
        "float16 arithmetic with loss scaling: the only 16-bit one this GPU has"
        if precision.mixed == "fp16"
        else "float16 overflows where bfloat16 and float32 do not",
        rule,
    )
    book.decide(
        "model.attn_implementation",
        "sdpa",
        "the exact attention that comes with torch; runs on every device and keeps packed rows "
        "apart",
        "attention.sdpa",
        ("flash_attention_2", "a package of its own, built for one GPU and one torch"),
    )


def decide_quantization(book: Book, method: Method, device: Device, capability: Capability) -> None:
    """What the method fixes of BitsAndBytesConfig, and the dtype that products are made in."""
    for key, value, because in method.settings:
        book.decide(key, value, because, f"quantization.{method.id}")
    precision = method.precision(device, capability)
    book.decide(
        "quantization.bnb_4bit_compute_dtype",
        precision.load_dtype,
        precision.because,
        f"precision.{method.id}.{device}",
    )
