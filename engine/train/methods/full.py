"""Full fine-tuning: every weight learns, with float32 master weights."""

from tunewright.engine.train.method import Method, Precision

METHOD = Method(
    id="full",
    title="full fine-tuning",
    trade_off="every weight learns: the most capacity, for new languages or domains with much "
    "data; 16 bytes of memory a parameter, a whole model as result, and it forgets the most",
    trainable="all",
    bfloat16=Precision(
        weights="float32",
        trained="float32",
        compute="bfloat16",
        because="float32 master weights with bfloat16 arithmetic: an update of 1e-5 to a bfloat16 "
        "weight of 0.02 is below half its last bit (6e-5) and would be rounded to nothing",
    ),
    float16=Precision(
        weights="float32",
        trained="float32",
        compute="float16",
        because="float32 master weights with float16 arithmetic and loss scaling: this GPU has no "
        "bfloat16 (compute capability below 8.0)",
    ),
    cpu=Precision(
        weights="float32",
        trained="float32",
        compute="float32",
        because="most CPUs have no 16-bit arithmetic: bfloat16 is many times slower there",
    ),
    groups=("training", "model", "loss"),
    needs=("torch", "transformers", "trl", "datasets", "accelerate"),
    learning_rate=2e-5,
    learning_rate_because="a tenth of LoRA's: every weight moves, and large steps overwrite what "
    "the base knows",
    optimizer={
        "cuda": (
            "adamw_torch_fused",
            "AdamW in one fused kernel, with an exact float32 state of 8 bytes a parameter",
        ),
        "cpu": ("adamw_torch_fused", "AdamW in one fused kernel: the fastest exact one on a CPU"),
    },
    makes="model",
)
