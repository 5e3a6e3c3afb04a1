"""How the weights move: learning rate, schedule, optimizer, and the adapter that learns."""

from __future__ import annotations

from tunewright.engine.data.example import DataFacts
from tunewright.engine.train.method import Method
from tunewright.engine.train.rules.book import Book
from tunewright.hardware.memory.estimate import Device
from tunewright.hardware.shapes import ModelShape


def decide_optimization(
    book: Book, method: Method, facts: DataFacts, shape: ModelShape, device: Device
) -> None:
    """Learning rate, epochs, schedule, regularization and optimizer."""
    rate, because = method.learning_rate, method.learning_rate_because
    rule = f"learning_rate.{method.id}"
    if method.trainable == "lora" and shape.parameters < 1_000_000_000:
        rate, rule = 3e-4, f"learning_rate.{method.id}.small_model"
        because = (
            "the upper end of what is safe for LoRA (1e-5 to 3e-4): models below a billion "
            "parameters need larger steps, and bear them"
        )
    book.decide("training.learning_rate", rate, because, rule)
    epochs, because = 3, "few rows are learned in three passes; more of them start to memorise"
    if facts.rows >= 50_000:
        epochs, because = 1, f"{facts.rows} rows are enough to see each once"
    elif facts.rows >= 10_000:
        epochs, because = 2, f"{facts.rows} rows: a third pass would mostly repeat"
    book.decide(
        "training.num_train_epochs",
        epochs,
        because + "; the evaluation loss shows when it was too many",
        "epochs.rows",
    )
    if "training.max_steps" in book.overrides:
        book.decide("training.max_steps", -1, "the epochs set the length", "epochs.rows")
    book.decide(
        "training.lr_scheduler_type",
        "cosine",
        "falls slowly at first and to zero at the end: late steps polish instead of jumping",
        "schedule.cosine",
    )
    book.decide(
        "training.warmup_steps",
        0.03,
        "a number below 1 is a share: the first 3 % of the steps grow to the full learning rate, "
        "while AdamW's averages are still rough",
        "warmup.share",
    )
    book.decide(
        "training.weight_decay",
        0.01,
        "a slight pull of the trained weights towards zero, against memorising",
        "weight_decay.default",
    )
    book.decide(
        "training.max_grad_norm",
        1.0,
        "a single odd batch cannot move the weights far: longer gradients are shortened to this",
        "clipping.default",
    )
    optimizer, because = method.optimizer[device]
    book.decide("training.optim", optimizer, because, f"optimizer.{method.id}.{device}")


def decide_adapter(book: Book, facts: DataFacts) -> None:
    """Rank, scale, dropout and places of the adapter."""
    few = facts.rows < 200
    rank = book.decide(
        "lora.r",
        8 if few else 16,
        f"only {facts.rows} rows: fewer trained weights memorise less"
        if few
        else "the usual rank for one task; 64 and more are for a new domain or language",
        "lora.rank.rows",
    )
    book.decide(
        "lora.lora_alpha",
        2 * rank,
        f"twice the rank: the adapter's output is scaled by alpha / r = {2 * rank}/{rank}, so the "
        "learning rate keeps its meaning when the rank changes",
        "lora.alpha",
    )
    repeats = book.decisions["training.num_train_epochs"].value > 1
    book.decide(
        "lora.lora_dropout",
        0.05 if repeats else 0.0,
        "rows are seen more than once: dropping 5 % of the inputs makes it harder to memorise them"
        if repeats
        else "every row is seen once, so there is nothing to memorise, and dropout costs time",
        "lora.dropout.epochs",
    )
    book.decide(
        "lora.target_modules",
        "all-linear",
        "every linear layer but the output head: adapting attention and MLP together does better "
        "than a higher rank on attention alone (QLoRA paper, section 4)",
        "lora.targets",
        (["q_proj", "v_proj"], "a third of the memory, and measurably worse on new behaviour"),
    )
    book.decide(
        "lora.bias",
        "none",
        "trained biases would change the base even with the adapter switched off",
        "lora.bias",
    )
