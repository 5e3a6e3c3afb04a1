"""LoRA: a frozen 16-bit base and small trained low-rank matrices beside its linear layers."""

from tunewright.engine.train.method import Method, Precision

METHOD = Method(
    id="lora",
    title="LoRA",
    trade_off="few weights learn (about 1 %), so it needs little more memory than running the "
    "model, forgets little and gives a file of a few MB; a behaviour far from the base wants a "
    "higher rank or full fine-tuning",
    trainable="lora",
    bfloat16=Precision(
        weights="bfloat16",
        trained="float32",
        compute="bfloat16",
        because="the base is frozen, so bfloat16 loses nothing that training would add; the "
        "adapter learns in float32, where a small update is not rounded away",
    ),
    float16=Precision(
        weights="float16",
        trained="float32",
        compute="float16",
        because="this GPU has no bfloat16 (compute capability below 8.0): float16 with loss "
        "scaling, and an adapter in float32",
    ),
    cpu=Precision(
        weights="float32",
        trained="float32",
        compute="float32",
        because="most CPUs have no 16-bit arithmetic: bfloat16 is many times slower there",
    ),
    groups=("training", "model", "loss", "lora"),
    needs=("torch", "transformers", "trl", "peft", "datasets", "accelerate"),
    learning_rate=2e-4,
    learning_rate_because="the safe default of LoRA: the adapter starts at zero and bears ten "
    "times what the full weights bear",
    optimizer={
        "cuda": (
            "adamw_torch_fused",
            "AdamW in one fused kernel; its state covers the adapter only, so it is small",
        ),
        "cpu": ("adamw_torch_fused", "AdamW in one fused kernel: the fastest exact one on a CPU"),
    },
    makes="adapter",
)
