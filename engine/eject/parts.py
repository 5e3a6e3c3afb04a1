"""The pieces of an ejected `train.py` that do not depend on a plan, as its text.

Words in braces are filled in by `script`. What the pieces do is held equal to the run's own code by
tests that train with both.
"""

from __future__ import annotations

HEADER = '''
"""{name}: {method}, ejected from Tunewright; needs transformers, trl, peft and datasets only.

    python train.py [MODEL]        or: accelerate launch --config_file accelerate.yaml train.py
"""
'''

# transformers tells a template that asks for it today's date; the rows were trained with another.
DAY = '''
class Day(datetime.datetime):
    """The chat template asks for the day: it is told that of the run."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat("{date}")


transformers.utils.chat_template_utils.datetime = Day
'''

ROWS = '''
def read_rows(path, tokenizer):
    """A dataset of token ids and labels from one JSON object with `messages`, and perhaps
    `tools`, a line."""
    lines = path.read_text(encoding="utf-8").split("\\n")
    rows = [tokenize(json.loads(line), tokenizer) for line in lines if line]
    return Dataset.from_dict({key: [row[key] for row in rows] for key in ("input_ids", "labels")})
'''

TOKEN_MEAN = '''
class TokenMeanTrainer(SFTTrainer):
    """SFTTrainer whose evaluation loss is the mean over tokens, not over batches."""

    def evaluation_loop(self, *args, **kwargs):
        self.nats, self.tokens = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        output.metrics["eval_loss"] = self.nats / max(1, self.tokens)
        return output

    def prediction_step(self, model, inputs, *args, **kwargs):
        trained = int((inputs["labels"][..., 1:] != -100).sum())
        output = super().prediction_step(model, inputs, *args, **kwargs)
        self.nats += float(output[0]) * trained
        self.tokens += trained
        return output
'''

# Each process has measured its share of the rows.
SHARED_TOKEN_MEAN = TOKEN_MEAN.replace(
    "        output.metrics",
    """        # Rows that fill up the last batch of a process count twice.
        sums = torch.tensor([self.nats, self.tokens], device=self.args.device)
        self.nats, self.tokens = self.accelerator.reduce(sums, "sum").tolist()
        output.metrics""",
)

CHAT = '''
def encode(messages, tokenizer, **options):
    """Token ids of rendered turns; the template writes the special tokens itself."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    return tokenizer(text, add_special_tokens=False)["input_ids"]
'''

# What carries loss, by `loss.on`; -100 is what cross entropy leaves out.
TOKENIZE = {
    ("chat", "completion"): CHAT
    + '''

def tokenize(row, tokenizer):
    """Ids of a row; only the last answer carries loss."""
    messages, tools = row["messages"], row.get("tools")
    ids = encode(messages, tokenizer, tools=tools)
    start = len(encode(messages[:-1], tokenizer, tools=tools, add_generation_prompt=True))
    return {"input_ids": ids, "labels": [-100] * start + ids[start:]}
''',
    ("chat", "assistant"): CHAT
    + '''

def tokenize(row, tokenizer):
    """Ids of a row; every answer of the assistant carries loss."""
    messages, tools = row["messages"], row.get("tools")
    ids = encode(messages, tokenizer, tools=tools)
    labels = [-100] * len(ids)
    for turn, message in enumerate(messages):
        if message["role"] == "assistant":
            before, after = messages[:turn], messages[: turn + 1]
            start = len(encode(before, tokenizer, tools=tools, add_generation_prompt=True))
            end = len(encode(after, tokenizer, tools=tools))
            labels[start:end] = ids[start:end]
    return {"input_ids": ids, "labels": labels}
''',
    ("chat", "all"): CHAT
    + '''

def tokenize(row, tokenizer):
    """Ids of a row; every token carries loss."""
    ids = encode(row["messages"], tokenizer, tools=row.get("tools"))
    return {"input_ids": ids, "labels": list(ids)}
''',
}

PLAIN = '''
def encode(text, tokenizer):
    """Token ids of plain text: this model has no chat template."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    starts_with_bos = tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    return [tokenizer.bos_token_id, *ids] if starts_with_bos else ids


def tokenize(row, tokenizer):
    """Ids of a row; {what} carries loss."""
    messages = row["messages"]
    prompt = "".join(message["content"] for message in messages[:-1])
    ids = encode(prompt + messages[-1]["content"], tokenizer)
    if ids[-1:] != [tokenizer.eos_token_id]:
        ids = [*ids, tokenizer.eos_token_id]
    start = {start}
    return {{"input_ids": ids, "labels": [-100] * start + ids[start:]}}
'''

PLAIN_START = (
    "next((i for i, (a, b) in enumerate(zip(encode(prompt, tokenizer), ids)) if a != b),\n"
    "                 len(encode(prompt, tokenizer)))"
)
