"""QLoRA: the frozen base in 4-bit NormalFloat, adapters beside it (arXiv:2305.14314)."""

from tunewright.engine.train.method import Method, Precision

METHOD = Method(
    id="qlora",
    title="QLoRA (4-bit base)",
    trade_off="LoRA over a base in 4 bits: about a quarter of the weight memory, for slower steps "
    "and a little quality; the result is merged into the 16-bit base",
    trainable="lora",
    bfloat16=Precision(
        weights="nf4",
        trained="bfloat16",
        compute="bfloat16",
        because="nf4 weights are unpacked to bfloat16 for each product; TRL keeps the adapter in "
        "bfloat16 too, as the QLoRA paper does",
    ),
    float16=Precision(
        weights="nf4",
        trained="float32",
        compute="float16",
        because="this GPU has no bfloat16 (compute capability below 8.0): products in float16; "
        "the adapter in float32, since loss scaling cannot unscale 16-bit gradients",
    ),
    cpu=Precision(
        weights="nf4",
        trained="float32",
        compute="float32",
        because="nf4 weights are unpacked to float32: 16-bit arithmetic is many times slower on "
        "most CPUs",
    ),
    groups=("training", "model", "loss", "lora", "quantization"),
    needs=("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes"),
    learning_rate=2e-4,
    learning_rate_because="the safe default of LoRA, and what the QLoRA paper used up to 13B",
    optimizer={
        "cuda": (
            "paged_adamw_8bit",
            "AdamW with an 8-bit state that can spill to host memory in a spike: QLoRA is taken "
            "where memory is short",
        ),
        "cpu": ("adamw_torch_fused", "AdamW in one fused kernel: there is nothing to page from"),
    },
    makes="adapter",
    settings=(
        ("quantization.load_in_4bit", True, "4-bit storage is what makes QLoRA fit"),
        (
            "quantization.bnb_4bit_quant_type",
            "nf4",
            "NormalFloat4 spaces its 16 values like normally distributed weights; better than fp4",
        ),
        (
            "quantization.bnb_4bit_use_double_quant",
            True,
            "quantizes the block scales as well: 0.37 bits a parameter less, at no loss that the "
            "QLoRA paper could measure",
        ),
    ),
)
