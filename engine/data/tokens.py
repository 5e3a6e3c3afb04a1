"""Rows as the tokens that will be trained, without transformers: what is shown is what is trained.

The trainer gets exactly these ids and labels. They equal what TRL makes of prompt / completion rows
(a test compares them); multi-turn rows get their mask from prefixes of the conversation, so a
template needs no `{% generation %}` marks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tunewright.engine.data.bounds import Bound, Bounds
from tunewright.engine.data.example import Example, Message
from tunewright.engine.data.model_files import read_model_files
from tunewright.engine.data.template import Template
from tunewright.hardware.errors import Problem

Loss = Literal["completion", "assistant", "all"]

# Positions with this label carry no loss (torch's cross_entropy ignores it).
IGNORED = -100
# Texts encoded at once: enough for many cores, little enough to hold.
_BATCH = 256
# Where only their number is wanted, an encoding is gone at once.
_COUNTED = 1000
_COUNTED_CHARACTERS = 4 << 20
_LONG = 1 << 20
# Ends of beginnings that are remembered: those of templates are few and short.
_SHORT, _MOST_TAILS = 200, 10_000
_UNKNOWN: list[int] = []


class Tokens(NamedTuple):
    """One row: ids, and labels of the same length (the id itself, or -100 where no loss is)."""

    input_ids: list[int]
    labels: list[int]


class _Span(NamedTuple):
    """A turn of the assistant: the text before it, and up to its end (None: the whole row's)."""

    turn: int
    before: str
    after: str | None


class _Parts(NamedTuple):
    """The text of one row, and its spans."""

    whole: str
    spans: tuple[_Span, ...]


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
        self._starts: list[int] = tokenizer.encode("", add_special_tokens=True).ids
        self._ends = Bounds(tokenizer)
        # Ids of texts that end the beginnings of many rows.
        self._tails: dict[str, list[int]] = {}

    @classmethod
    def open(cls, model_dir: Path, day: date | None = None) -> Renderer:
        """Read tokenizer.json, its configuration, the chat template and the stop tokens. `day` is
        what a template is told when it asks for it.

        A `Problem` when the folder has no fast tokenizer or none of the stop tokens is known.
        """
        files = read_model_files(model_dir)
        template = Template(files.template, files.special, day) if files.template else None
        return cls(files.tokenizer, template, files.special, frozenset(files.stops))

    @property
    def rendering(self) -> Literal["chat", "plain"]:
        return "chat" if self.template else "plain"

    @property
    def bos_id(self) -> int | None:
        """The id of the bos token, if the tokenizer has one."""
        return self._id("bos_token")

    @property
    def eos_id(self) -> int | None:
        """The id of the eos token, if the tokenizer has one."""
        return self._id("eos_token")

    def encode(self, text: str) -> list[int]:
        """Ids of rendered text. The template writes the special tokens: none is added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_all(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """`encode` for many texts, on all cores, a batch at a time: an encoding holds far more
        than its ids."""
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            for encoding in self.tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield encoding.ids

    def count_all(self, texts: Sequence[str]) -> Iterator[int]:
        """Tokens of each text, as `encode_all` gives them, without making a list of them. A text
        of millions of characters is counted in parts that begin with a space, which may cost a
        token at each seam, as its encoding would take a hundred times its size."""
        for batch in _batches(texts):
            parts = [list(_parts_of(text)) for text in batch]
            flat = [part for several in parts for part in several]
            counts = map(len, self.tokenizer.encode_batch_fast(flat, add_special_tokens=False))
            for several in parts:
                yield sum(itertools.islice(counts, len(several)))

    def prompt_text(
        self, messages: tuple[Message, ...], tools: Sequence[dict[str, Any]] = ()
    ) -> str:
        """What the model reads before it answers."""
        if self.template:
            return self.template.render(messages, add_generation_prompt=True, tools=tools)
        return "".join(message.content for message in messages)

    def whole_text(self, example: Example) -> str:
        """The row as it is trained; a `Problem` when the template leaves out a tool call, since
        the answer would be trained without it."""
        if not self.template:
            return "".join(message.content for message in example.messages)
        text = self.template.render(
            example.messages, add_generation_prompt=False, tools=example.tools
        )
        for message in example.messages:
            for call in message.tool_calls:
                if call.name not in text:
                    raise Problem(
                        f"{example.place}: the model's chat template does not write tool calls",
                        why=f"the call of {call.name[:60]!r} is nowhere in the rendered row, so an "
                        "empty answer would be trained",
                        cure="take a model whose template knows tools, or write the calls into the "
                        "content of the assistant's turns",
                    )
        return text

    def prompt_ids(self, example: Example) -> list[int]:
        """Ids of everything before the last answer, the generation prompt included."""
        ids = self.encode(self.prompt_text(example.messages[:-1], example.tools))
        return ids if self.template else self._with_plain_start(ids)

    def tokenize(self, example: Example, loss: Loss) -> Tokens:
        """Ids and labels of one row; see `tokenize_all`."""
        return next(self.tokenize_all((example,), loss))

    def tokenize_all(self, examples: Iterable[Example], loss: Loss) -> Iterator[Tokens]:
        """Ids and labels of each row, in order; see `tokenized`."""
        for _, tokens in self.tokenized(examples, loss):
            yield tokens

    def tokenized(
        self, examples: Iterable[Example], loss: Loss
    ) -> Iterator[tuple[Example, Tokens]]:
        """Each row with its ids and labels, in order, encoded in batches on all cores.

        The trained span runs to the end of the turn, with what the template writes after the stop
        token (most write a newline), as TRL has it. Where the first letters of an answer merge with
        the end of the prompt into one token, that token is trained too, also as in TRL. Without a
        template the last answer is trained, whether "completion" or "assistant" is asked for. A
        turn that its row marks as not `trained` carries no loss in any way.

        A `Problem` when the template does not render a conversation as a prefix of the next turn.
        """
        waiting = iter(examples)
        while batch := list(itertools.islice(waiting, _BATCH)):
            parts = [self._parts(example, loss) for example in batch]
            rows = list(self.encode_all([row.whole for row in parts]))
            bounds = [self._bounds(row, ids) for row, ids in zip(parts, rows, strict=True)]
            tails = self._encoded(bound.tail for several in bounds for bound in several)
            for example, row, ids, ends in zip(batch, parts, rows, bounds, strict=True):
                yield example, self._labelled(example, loss, row, ids, ends, tails)

    def _bounds(self, row: _Parts, ids: list[int]) -> list[Bound]:
        """Where the spans of a row begin and end, one after the other."""
        if not row.spans:
            return []
        texts = [text for span in row.spans for text in (span.before, span.after)]
        return [
            self._ends.bound(text, row.whole, ids)
            # Without a template a bos may stand before the ids.
            if self.template and row.whole.startswith(text)
            else Bound(0, text)
            for text in texts
            if text is not None
        ]

    def _encoded(self, tails: Iterable[str]) -> dict[str, list[int]]:
        """The ids of each text."""
        found: dict[str, list[int]] = {}
        for tail in tails:
            if tail not in found:
                found[tail] = self._tails.get(tail, _UNKNOWN)
        new = [tail for tail, ids in found.items() if ids is _UNKNOWN]
        for tail, ids in zip(new, self.encode_all(new), strict=True):
            found[tail] = ids
            if len(tail) <= _SHORT and len(self._tails) < _MOST_TAILS:
                self._tails[tail] = ids
        return found

    def _parts(self, example: Example, loss: Loss) -> _Parts:
        """The row's text, and the texts at whose ends its trained spans begin and end; where all is
        trained, the spans that are not."""
        messages = example.messages
        last = len(messages) - 1
        whole = self.whole_text(example)
        spans: list[_Span] = []
        for turn, message in enumerate(messages):
            middle = turn != last
            if message.role != "assistant" or message.trained is (loss == "all"):
                continue
            if middle and (loss == "completion" or not self.template):
                continue
            after = None
            if middle and self.template:
                after = self.template.render(
                    messages[: turn + 1], add_generation_prompt=False, tools=example.tools
                )
            spans.append(_Span(turn, self.prompt_text(messages[:turn], example.tools), after))
        return _Parts(whole, tuple(spans))

    def _labelled(
        self,
        example: Example,
        loss: Loss,
        row: _Parts,
        ids: list[int],
        bounds: list[Bound],
        tails: dict[str, list[int]],
    ) -> Tokens:
        if not self.template:
            ids = self._with_plain_start(ids)
            eos = self.eos_id
            if eos is not None and ids[-1:] != [eos]:
                ids = [*ids, eos]
            tails = {tail: self._with_plain_start(some) for tail, some in tails.items()}
        labels = list(ids) if loss == "all" else [IGNORED] * len(ids)
        waiting = iter(bounds)
        for span in row.spans:
            start = _reach(ids, next(waiting), tails, row.whole.startswith(span.before))
            end: int | None = len(ids)
            if span.after is not None:
                end = _reach(ids, next(waiting), tails, row.whole.startswith(span.after))
            if start is None or end is None:
                raise _not_a_prefix(example, span.turn)
            labels[start:end] = [IGNORED] * (end - start) if loss == "all" else ids[start:end]
        return Tokens(ids, labels)

    def _with_plain_start(self, ids: list[int]) -> list[int]:
        """Without a template the tokenizer's own post-processor decides about bos."""
        bos = self.bos_id
        return [bos, *ids] if bos is not None and self._starts[:1] == [bos] else ids

    def _id(self, name: str) -> int | None:
        token = self.special_tokens.get(name)
        found: int | None = None if token is None else self.tokenizer.token_to_id(token)
        return found


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts that are encoded at once: so many of them, or so many characters."""
    start = length = 0
    for at, text in enumerate(texts):
        if at > start and (at - start >= _COUNTED or length + len(text) > _COUNTED_CHARACTERS):
            yield texts[start:at]
            start, length = at, 0
        length += len(text)
    if start < len(texts):
        yield texts[start:]


def _parts_of(text: str) -> Iterator[str]:
    """A text, or the parts of a long one, cut before spaces as far as there are any."""
    start = 0
    while len(text) - start > _LONG:
        end = text.rfind(" ", start + 1, start + _LONG)
        end = end if end > start else start + _LONG
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def _reach(
    ids: list[int], bound: Bound, tails: dict[str, list[int]], text_agrees: bool
) -> int | None:
    """How many of `ids` the text up to a bound gives; None when the two part before its end."""
    tail = tails[bound.tail]
    same = bound.base
    if ids[same : same + len(tail)] == tail:
        return same + len(tail)
    if not text_agrees:
        return None
    for id, other in zip(ids[same:], tail, strict=False):
        if id != other:
            break
        same += 1
    return same


def _not_a_prefix(example: Example, turn: int) -> Problem:
    return Problem(
        f"{example.place}: the mask of turn {turn + 1} cannot be placed",
        why="the chat template renders the beginning of this conversation differently once "
        "more turns follow, so what the model reads when it answers is not what is trained",
        cure="split the conversation into one row per answer, so that only the last answer "
        "is trained, or train on all tokens: --set loss.on=all",
    )
