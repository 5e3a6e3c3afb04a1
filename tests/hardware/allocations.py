"""The exact peak of the tensors of one training step on the CPU, from torch's own profiler."""

from __future__ import annotations

from typing import Any

from tunewright.hardware.memory.estimate import TrainingSetup
from tunewright.hardware.shapes import ModelShape


def measured_peak(shape: ModelShape, setup: TrainingSetup) -> int:
    """Bytes of all live tensors at the highest moment of a step, as SFT runs it (trl's fused head,
    peft's adapters, fused AdamW, float32). The optimizer state exists already."""
    import torch

    torch.manual_seed(0)
    model = _model(shape, setup)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    rows = 1 if setup.packed else setup.micro_batch
    tokens = torch.randint(0, shape.vocab_size, (rows, setup.seq_len))
    mask = torch.ones_like(tokens)
    if rows > 1:
        mask[0, -1] = 0  # rows of unlike length bring an attention mask

    def forward_backward() -> None:
        if setup.loss_kernel == "chunked":
            out = model(
                input_ids=tokens, attention_mask=mask, labels=tokens.clone(), fused_lm_head=True
            )
            loss = -out.log_probs.mean()
        else:
            # The usual loop keeps its outputs, and so the logits, through the backward pass.
            out = model(input_ids=tokens, attention_mask=mask, labels=tokens.clone())
            loss = out.loss
        loss.backward()
        del out

    def step() -> None:
        forward_backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    if setup.gradient_accumulation:
        forward_backward()
    held = [*model.parameters()]
    held += [v for state in optimizer.state.values() for v in state.values() if torch.is_tensor(v)]
    held += [p.grad for p in trained if p.grad is not None]
    live = sum(
        {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}.values()
    )
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    events: list[Any] = [
        e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"
    ]
    peak = now = live
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return int(peak)


def _model(shape: ModelShape, setup: TrainingSetup) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    config = LlamaConfig(
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_key_value_heads,
        vocab_size=shape.vocab_size,
        tie_word_embeddings=shape.tie_word_embeddings,
        use_cache=False,
        attn_implementation="sdpa",
    )
    base = LlamaForCausalLM(config)
    model: Any = base
    if setup.trainable == "lora":
        from peft import LoraConfig, get_peft_model

        targets = setup.target_modules
        model = get_peft_model(
            base,
            LoraConfig(
                r=setup.rank,
                target_modules=targets if isinstance(targets, str) else list(targets),
                lora_dropout=0.1 if setup.lora_dropout else 0.0,
                task_type="CAUSAL_LM",
            ),
        )
    if setup.gradient_checkpointing:
        if setup.trainable == "lora":
            model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if setup.loss_kernel == "chunked":
        add_fused_lm_head(base, outputs=("log_probs", "entropy", "is_top1"))
    model.train()
    return model
