"""DPO's step: TRL's own DPOTrainer computes the loss, over a model and a reference of fakes.

The trainer is made without its `__init__`, which loads a tokenizer and data; all that its loss
reads is set here from DPOConfig's defaults. Worker only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch

from tunewright.engine.trace.record import Recorder
from tunewright.engine.trace.setup import CHECKPOINTING, TraceSetup


class _OneProcess:
    """What the loss asks of accelerate, in a run of one process."""

    device = torch.device("cpu")

    def unwrap_model(self, model: Any) -> Any:
        return model

    def gather(self, tensor: Any) -> Any:
        return tensor

    gather_for_metrics = gather


def prepare(model: Any, reference: Any) -> None:
    """As DPOTrainer's `__init__` does: no dropout, and heads that never hold all logits."""
    from trl.trainer.utils import add_fused_lm_head, disable_dropout_in_model

    disable_dropout_in_model(model)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    add_fused_lm_head(base, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    if reference is not None:
        disable_dropout_in_model(reference)
        add_fused_lm_head(reference)


def trainer(model: Any, reference: Any) -> Any:
    """A DPOTrainer of `model`. `reference` None: `model` with its adapter switched off."""
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(
        output_dir="unused", use_cpu=True, report_to="none",
        gradient_checkpointing_kwargs=CHECKPOINTING,
    )  # fmt: skip
    made: Any = DPOTrainer.__new__(DPOTrainer)
    made.args = args
    made.accelerator = _OneProcess()
    made.model, made.ref_model = model, reference
    made.beta, made.ld_alpha = args.beta, args.ld_alpha
    made.label_smoothing, made.use_weighting = args.label_smoothing, args.use_weighting
    made.f_divergence_type = args.f_divergence_type
    made.loss_types, made.loss_weights = args.loss_type, [1.0] * len(args.loss_type)
    made.router_aux_loss_coef = args.router_aux_loss_coef
    routes = hasattr(model.config.get_text_config(), "output_router_logits")
    made.aux_loss_enabled = routes and made.router_aux_loss_coef != 0.0
    made.precompute_ref_logps = False
    made._metrics = {"train": defaultdict(list), "eval": defaultdict(list)}
    made._total_train_tokens, made._tp_size = 0, 1
    return made


def loss(trainer: Any, model: Any, setup: TraceSetup) -> Any:
    """The loss of `model` (the trainer's, or what wraps it) on `setup.micro_batch` pairs, both
    answers of each as long as the longest."""
    shape = (2 * setup.micro_batch, setup.seq_len)
    names = ("input_ids", "attention_mask", "completion_mask")
    inputs = {name: torch.ones(shape, dtype=torch.long) for name in names}
    return trainer.compute_loss(model, inputs)


def watch(recorder: Recorder, model: Any, setup: TraceSetup) -> None:
    """Make the reference's pass through `model` (either of the two) a phase of its own; and take
    the mask away where no kernel gets one, though the trainer's metrics do."""

    def enters(_: Any, args: Any, given: dict[str, Any]) -> Any:
        if not torch.is_grad_enabled():
            recorder.enter(recorder.phase.replace("forward", "reference"))
            recorder.family = "activations"
        if not setup.has_mask:
            given = {name: value for name, value in given.items() if name != "attention_mask"}
        return args, given

    def leaves(*_: Any) -> None:
        if not torch.is_grad_enabled():
            recorder.enter(recorder.phase.replace("reference", "forward"))
            recorder.family = "loss"

    model.register_forward_pre_hook(enters, with_kwargs=True)
    model.register_forward_hook(leaves)
