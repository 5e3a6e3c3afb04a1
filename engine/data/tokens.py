"""Rows as the tokens that will be trained, without transformers: what is shown is what is trained.

The trainer gets exactly these ids and labels. They equal what TRL makes of prompt / completion rows
(a test compares them); multi-turn rows get their mask from prefixes of the conversation, so a
template needs no `{% generation %}` marks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tunewright.engine.data.example import Example, Message
from tunewright.engine.data.template import Template
from tunewright.hardware.errors import Problem

Loss = Literal["completion", "assistant", "all"]

# Positions with this label carry no loss (torch's cross_entropy ignores it).
IGNORED = -100


class Tokens(NamedTuple):
    """One row: ids, and labels of the same length (the id itself, or -100 where no loss is)."""

    input_ids: list[int]
    labels: list[int]


class Renderer:
    """Tokenizer and chat template of one model folder."""

    def __init__(
        self,
        tokenizer: Any,
        template: Template | None,
        special_tokens: dict[str, str],
        stop_ids: frozenset[int],
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.special_tokens = special_tokens
        self.stop_ids = stop_ids

    @classmethod
    def open(cls, model_dir: Path) -> Renderer:
        """Read tokenizer.json, its configuration, the chat template and the stop tokens.

        A `Problem` when the folder has no fast tokenizer or none of the stop tokens is known.
        """
        from tokenizers import Tokenizer

        path = model_dir / "tokenizer.json"
        if not path.is_file():
            raise Problem(
                f"{model_dir} has no tokenizer.json",
                why="only fast tokenizers are read; older folders have tokenizer.model alone",
                cure="load it once with transformers' AutoTokenizer and save it with "
                "save_pretrained: that writes tokenizer.json",
            )
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise Problem(
                f"{path} is damaged",
                why=str(error),
                cure="fetch the tokenizer again",
            ) from error
        # Truncation or padding stored in the file would cut rows without a word.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        config = _read_json(model_dir / "tokenizer_config.json")
        special = _special_tokens(config)
        source = _template_source(model_dir, config)
        stops = _stop_ids(model_dir, tokenizer, special)
        if not stops:
            raise Problem(
                f"{model_dir} names no token that ends an answer",
                why="neither tokenizer_config.json nor generation_config.json has an eos token "
                "that the vocabulary knows",
                cure='set "eos_token" in tokenizer_config.json',
            )
        template = Template(source, special) if source else None
        return cls(tokenizer, template, special, frozenset(stops))

    @property
    def rendering(self) -> Literal["chat", "plain"]:
        return "chat" if self.template else "plain"

    @property
    def bos_id(self) -> int | None:
        """The id of the bos token, if the tokenizer has one."""
        return self._id("bos_token")

    def encode(self, text: str) -> list[int]:
        """Ids of rendered text. The template writes the special tokens: none is added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def prompt_text(self, messages: tuple[Message, ...]) -> str:
        """What the model reads before it answers."""
        if self.template:
            return self.template.render(messages, add_generation_prompt=True)
        return "".join(message.content for message in messages)

    def prompt_ids(self, example: Example) -> list[int]:
        """Ids of everything before the last answer, the generation prompt included."""
        ids = self.encode(self.prompt_text(example.messages[:-1]))
        return ids if self.template else self._with_plain_start(ids)

    def tokenize(self, example: Example, loss: Loss) -> Tokens:
        """Ids and labels of one row. The trained span runs to the end of the turn, with what the
        template writes after the stop token (most write a newline), as TRL has it.

        A `Problem` when the template does not render a conversation as a prefix of the next turn.
        """
        if not self.template:
            return self._tokenize_plain(example, loss)
        text = self.template.render(example.messages, add_generation_prompt=False)
        ids = self.encode(text)
        if loss == "all":
            return Tokens(ids, list(ids))
        labels = [IGNORED] * len(ids)
        last = len(example.messages) - 1
        for turn, message in enumerate(example.messages):
            if message.role != "assistant" or (loss == "completion" and turn != last):
                continue
            start = self._common(ids, self.prompt_text(example.messages[:turn]), example, turn)
            end = len(ids)
            if turn != last:
                before = self.template.render(
                    example.messages[: turn + 1], add_generation_prompt=False
                )
                end = self._common(ids, before, example, turn)
            labels[start:end] = ids[start:end]
        return Tokens(ids, labels)

    def _common(self, ids: list[int], prefix: str, example: Example, turn: int) -> int:
        """How many of `ids` the rendered `prefix` gives. All of it, or the mask would be wrong."""
        start = self.encode(prefix)
        if ids[: len(start)] == start:
            return len(start)
        raise Problem(
            f"{example.place}: the mask of turn {turn + 1} cannot be placed",
            why="the chat template renders the beginning of this conversation differently once "
            "more turns follow, so what the model reads when it answers is not what is trained",
            cure="split the conversation into one row per answer, so that only the last answer "
            "is trained, or train on all tokens: --set loss.on=all",
        )

    def _tokenize_plain(self, example: Example, loss: Loss) -> Tokens:
        prompt = "".join(message.content for message in example.messages[:-1])
        start = self._with_plain_start(self.encode(prompt))
        eos = self._id("eos_token")
        ids = self._with_plain_start(self.encode(prompt + example.messages[-1].content))
        if eos is not None and ids[-1:] != [eos]:
            ids = [*ids, eos]
        if loss == "all":
            return Tokens(ids, list(ids))
        common = 0
        while common < min(len(start), len(ids)) and start[common] == ids[common]:
            common += 1
        return Tokens(ids, [IGNORED] * common + ids[common:])

    def _with_plain_start(self, ids: list[int]) -> list[int]:
        """Without a template the tokenizer's own post-processor decides about bos."""
        added: list[int] = self.tokenizer.encode("", add_special_tokens=True).ids
        bos = self.bos_id
        return [bos, *ids] if bos is not None and added[:1] == [bos] else ids

    def _id(self, name: str) -> int | None:
        token = self.special_tokens.get(name)
        found: int | None = None if token is None else self.tokenizer.token_to_id(token)
        return found


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(
            f"{path} cannot be read", why=str(error), cure="fetch the tokenizer's files again"
        ) from error
    return found if isinstance(found, dict) else {}


def _special_tokens(config: dict[str, Any]) -> dict[str, str]:
    """`bos_token` and so on as text; a token may stand as an object with its content."""
    found = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token"):
        token = config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            found[name] = token
    return found


def _template_source(model_dir: Path, config: dict[str, Any]) -> str | None:
    """The template file wins over the configuration, as in transformers; of several the default."""
    path = model_dir / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    source = config.get("chat_template")
    if isinstance(source, list):
        named = {t.get("name"): t.get("template") for t in source if isinstance(t, dict)}
        source = named.get("default")
    return source if isinstance(source, str) else None


def _stop_ids(model_dir: Path, tokenizer: Any, special: dict[str, str]) -> set[int]:
    """Tokens that end an answer: those generation stops at, and the tokenizer's eos."""
    generation = _read_json(model_dir / "generation_config.json").get("eos_token_id")
    stops = set(generation if isinstance(generation, list) else [generation])
    if "eos_token" in special:
        stops.add(tokenizer.token_to_id(special["eos_token"]))
    size = tokenizer.get_vocab_size()
    return {i for i in stops if isinstance(i, int) and 0 <= i < size}
