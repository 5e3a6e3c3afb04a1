"""The trainer of a planned run: TRL's SFTTrainer over rows that are tokens already."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.engine.data.prepared import load_split
from tunewright.engine.data.tokens import Loss, Renderer
from tunewright.engine.run.job import Job
from tunewright.engine.train.loading import load_base, load_tokenizer
from tunewright.engine.train.method import Method
from tunewright.engine.train.rules.consistency import check_plan
from tunewright.engine.train.together import Together
from tunewright.engine.train.token_files import shared_token_sets, token_sets
from tunewright.hardware.errors import Problem

# Settings that are decided here and not planned: how a run is watched, never what it learns.
_MANAGED: dict[str, Any] = {
    "save_strategy": "steps",
    "logging_strategy": "steps",
    # NaN has to be seen: the filter would report the mean of the steps before.
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
    "prediction_loss_only": True,
    # Ours is done after a new checkpoint was read back; the Trainer's is done before.
    "save_total_limit": None,
    "do_train": True,
}


def build_trainer(
    job: Job,
    method: Method,
    folder: Path,
    *,
    resuming: bool,
    changes: Mapping[str, Any] | None = None,
    group: Together | None = None,
) -> Any:
    """TRL's SFTTrainer with the plan's settings, the rows as tokens and the adapter in place; to be
    called inside `token_files`, and by all ranks of a `group`. `changes` of its settings are for
    what is no training (a probe)."""
    import torch
    from trl import SFTConfig

    plan = job.session.plan
    assert plan is not None
    check_plan(plan)
    training = plan.group("training") | dict(changes or {})
    tokenizer = load_tokenizer(job.model_dir)
    model = load_base(
        job.model_dir,
        job.device,
        dtype=plan.value("model.dtype"),
        attention=plan.value("model.attn_implementation"),
        quantization=plan.group("quantization"),
    )
    evaluates = training["eval_strategy"] != "no"
    train, held_out = _tokens(
        job, plan.value("loss.on"), training["eval_strategy"] if evaluates else None, group
    )
    settings = training | _MANAGED | dict(changes or {})
    if resuming:
        settings["eval_on_start"] = False
    arguments = SFTConfig(
        output_dir=str(folder),
        use_cpu=job.device == "cpu",
        dataloader_pin_memory=job.device == "cuda",
        # Packed rows have no padding, and their collator gives no mask to count by.
        include_num_input_tokens_seen="all" if training["packing"] else "non_padding",
        **settings,
    )
    if job.device == "cuda" and arguments.n_gpu > 1:
        # One of several devices alone (a probe, a pilot): the Trainer would spread each batch.
        arguments._n_gpu = 1
    trainer = _trainer_class()(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer,
        peft_config=_adapter(plan.group("lora")) if method.trainable == "lora" else None,
    )
    if plan.group("quantization"):
        # TRL turns the adapter of a quantized base to bfloat16 (sft_trainer.py), also where there
        # is no such arithmetic.
        dtype = torch.bfloat16 if training["bf16"] else torch.float32
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(dtype)
    _silence_printing(trainer)
    return trainer


def _tokens(
    job: Job, loss: Loss, evaluates: str | None, group: Together | None
) -> tuple[Any, Any | None]:
    """(training, held-out) rows as tokens; rank 0 makes them for all. `evaluates` says why held-out
    rows are needed, None when they are not."""
    made = None
    if group is None or group.rank == 0:
        train, held_out = load_split(job)
        if evaluates is not None and not held_out:
            raise Problem(
                f"training.eval_strategy is {evaluates!r}, and there is nothing to evaluate on",
                why="no rows are held out",
                cure="--set eval_strategy=no, or hold rows out: --eval-fraction 0.1",
            )
        renderer = Renderer.open(job.model_dir, job.session.inputs.data.date)
        sides = {"train": train} if evaluates is None else {"train": train, "eval": held_out}
        made = token_sets(job, renderer, sides, loss)
    if group is not None:
        made = shared_token_sets(job, group, made)
    assert made is not None
    return made["train"], made.get("eval")


def _adapter(settings: dict[str, Any]) -> Any:
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", **settings)


def _trainer_class() -> Any:
    import torch
    from trl import SFTTrainer

    class TokenMeanTrainer(SFTTrainer):  # type: ignore[misc]
        """SFTTrainer whose evaluation loss is the mean over tokens.

        The Trainer's is a mean of batch means: a batch of short answers counts as much as one of
        long answers, and the figure changes with the batch size.
        """

        def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
            self._nats, self._tokens = 0.0, 0
            output = super().evaluation_loop(*args, **kwargs)
            prefix = kwargs.get("metric_key_prefix", "eval")
            if self.args.world_size > 1:
                # Rows that fill up the last batch of a rank count twice.
                sums = torch.tensor([self._nats, self._tokens], device=self.args.device)
                self._nats, self._tokens = self.accelerator.reduce(sums, "sum").tolist()
            if self._tokens:
                output.metrics[f"{prefix}_loss"] = self._nats / self._tokens
            return output

        def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            trained = int((inputs["labels"][..., 1:] != -100).sum())
            output = super().prediction_step(model, inputs, *args, **kwargs)
            self._nats += float(output[0]) * trained
            self._tokens += trained
            return output

    return TokenMeanTrainer


def _silence_printing(trainer: Any) -> None:
    """Without progress bars the Trainer prints every log as a Python dict."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def quiet_libraries() -> None:
    """Progress bars and chatter of the libraries off: a run's log is for what matters."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # Deprecations inside the pinned versions, about calls that are not ours.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|trl\.|peft\.")
