"""`data preview`: rows after the chat template, token by token, and whether what would be trained
is what is meant to be."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from tunewright.engine.data.checks.check import MOST_TEXT
from tunewright.engine.data.example import Example, Finding, Place
from tunewright.engine.data.known_templates import KNOWN, known
from tunewright.engine.data.preflight import BOS_DOUBLED, NOT_ENDED, NOTHING_TRAINED, check_row
from tunewright.engine.data.shapes.find import Finder, parse_row
from tunewright.engine.data.shapes.shape import Normal
from tunewright.engine.data.sources import find_sources
from tunewright.engine.data.template import Template
from tunewright.engine.data.tokens import IGNORED, Loss, Renderer, Tokens
from tunewright.engine.data.view import Piece, ends_turn, token_pieces
from tunewright.engine.text import counted, plain
from tunewright.hardware.errors import Problem

# Tokens of a row that are shown; all are counted.
MOST_TOKENS = 4000
# Rows that the preflight of a preview looks at.
LOOKED_AT = 200
_MARKS = re.compile(r"\{%-?\s*generation\b")


class Side(msgspec.Struct, frozen=True):
    """One text of a row as it is trained: "row", or "chosen" and "rejected" of a pair. `pieces`:
    (text, trained, special) of each token, cut at `MOST_TOKENS`; `ends_with` the token that ends
    the turn, `wrong` what the preflight has against it."""

    name: Literal["row", "chosen", "rejected"]
    tokens: int
    trained: int
    ends_with: str | None
    wrong: str | None
    pieces: tuple[Piece, ...]


class RowPreview(msgspec.Struct, frozen=True):
    """A row, or the reason why it cannot be shown."""

    place: Place
    sides: tuple[Side, ...]
    why_not: str | None = None


class Trial(msgspec.Struct, frozen=True):
    """A known template tried on the first row: how it renders, and what is wrong with it."""

    name: str
    title: str
    text: str | None
    wrong: str | None


class Preview(msgspec.Struct, frozen=True):
    """Some rows token by token, and the preflight of the first `looked_at` rows.

    `template`: "model" where the folder has one, the name of the known one that was asked for, or
    None. `trials`: every known template, where the model has none.
    """

    rows: tuple[RowPreview, ...]
    looked_at: int
    template: str | None
    loss: Loss
    findings: tuple[Finding, ...]
    trials: tuple[Trial, ...]


def preview(
    path: Path,
    renderer: Renderer,
    *,
    rows: int = 3,
    first: int = 1,
    loss: Loss | None = None,
    format: str = "auto",
    template: str | None = None,
) -> Preview:
    """Look at `rows` rows from row number `first` on, under the model's own template or the known
    one that `template` names. `loss` None: on all answers of conversations with several."""
    if template is not None:
        renderer = with_template(renderer, template)
    normals = list(itertools.islice(_normals(path, format), first - 1, first - 1 + LOOKED_AT))
    if not normals:
        raise Problem(
            f"{path} has no row {first}", why="it has fewer", cure="--first 1 shows the first"
        )
    several = any(
        sum(m.role == "assistant" for m in normal.messages) > 1
        for _, normal in normals
        if isinstance(normal, Normal) and normal.kind == "conversation"
    )
    chosen: Loss = loss or ("assistant" if several else "completion")
    shown: list[RowPreview] = []
    counts: dict[str, list[Place]] = {}
    for at, (place, normal) in enumerate(normals):
        seen = _row(place, normal, renderer, chosen, at < rows)
        if seen.why_not is not None:
            counts.setdefault("row.unusable", []).append(place)
        for side in seen.sides:
            if side.wrong is not None:
                counts.setdefault(side.wrong, []).append(place)
        if at < rows:
            shown.append(seen)
    return Preview(
        rows=tuple(shown),
        looked_at=len(normals),
        template=template or ("model" if renderer.template else None),
        loss=chosen,
        findings=(*_row_findings(counts), *about_model(renderer)),
        trials=() if renderer.template else tuple(trials(renderer, normals)),
    )


def with_template(renderer: Renderer, name: str) -> Renderer:
    """The renderer under a known template; a `Problem` for an unknown name."""
    found = known(name)
    if found is None:
        raise Problem(
            f"there is no template {name!r}",
            why="the known ones are " + ", ".join(template.name for template in KNOWN),
            cure="--template chatml",
        )
    made = Template(found.source, renderer.special_tokens)
    return Renderer(renderer.tokenizer, made, renderer.special_tokens, renderer.stop_ids)


def _normals(path: Path, format: str) -> Iterator[tuple[Place, Normal | str]]:
    finder = Finder(format)
    for source in find_sources(path):
        for block in source.blocks():
            for raw in block.rows():
                place = raw.place(str(source.path))
                if raw.wrong is not None:
                    yield place, f"found {raw.wrong.found}; expected {raw.wrong.expected}"
                    continue
                parsed = parse_row(raw.value, finder.find(raw.value))
                if isinstance(parsed, list):
                    wrong = parsed[0]
                    yield place, f"{wrong.field}: found {wrong.found}; expected {wrong.expected}"
                else:
                    yield place, parsed


def sides_of(normal: Normal, place: Place) -> list[tuple[Any, Example]]:
    """(name, example) of what is trained of a row; an answer alone for plain text."""
    if normal.chosen:
        return [
            (name, Example((*normal.messages, *answer), place, normal.tools))
            for name, answer in (("chosen", normal.chosen), ("rejected", normal.rejected))
        ]
    return [("row", Example(normal.messages, place, normal.tools))]


def _row(
    place: Place, normal: Normal | str, renderer: Renderer, loss: Loss, whole: bool
) -> RowPreview:
    if isinstance(normal, str):
        return RowPreview(place, (), normal)
    if _letters(normal) > MOST_TEXT:
        told = f"it has over {MOST_TEXT:,} characters: split it into rows of a document's part"
        return RowPreview(place, (), told)
    if normal.text is not None:
        return RowPreview(place, (_text_side(normal.text, renderer, whole),))
    sides = []
    try:
        for name, example in sides_of(normal, place):
            # A pair is trained on its answers, whatever came before them.
            tokens = renderer.tokenize(example, "completion" if normal.chosen else loss)
            sides.append(_side(name, tokens, renderer, whole))
    except Problem as problem:
        return RowPreview(place, tuple(sides), f"{problem.what}: {problem.why}")
    return RowPreview(place, tuple(sides))


def _letters(normal: Normal) -> int:
    messages = (*normal.messages, *normal.chosen, *normal.rejected)
    return len(normal.text or "") + sum(len(message.content) for message in messages)


def _side(name: Any, tokens: Tokens, renderer: Renderer, whole: bool) -> Side:
    return Side(
        name=name,
        tokens=len(tokens.input_ids),
        trained=sum(label != IGNORED for label in tokens.labels),
        ends_with=ends_turn(tokens, renderer),
        wrong=check_row(tokens, renderer),
        pieces=tuple(token_pieces(tokens, renderer, MOST_TOKENS)) if whole else (),
    )


def _text_side(text: str, renderer: Renderer, whole: bool) -> Side:
    """Plain text is trained whole, with eos at its end, as TRL does it."""
    ids = renderer.encode(text)
    eos = renderer.eos_id
    if eos is not None:
        ids = [*ids, eos]
    return _side("row", Tokens(ids, list(ids)), renderer, whole)


def _row_findings(counts: dict[str, list[Place]]) -> Iterator[Finding]:
    for said, places in counts.items():
        unusable = said == "row.unusable"
        yield Finding(
            id=said if unusable else _ID.get(said, "mask.wrong"),
            severity="error",
            message=f"{counted(len(places), 'row')} cannot be shown" if unusable else said,
            count=len(places),
            places=tuple(places[:20]),
            fix="tunewright data check says what is wrong with them"
            if unusable
            else "look at the chat template and the eos token of the model folder",
        )


_ID = {NOTHING_TRAINED: "mask.empty", BOS_DOUBLED: "bos.doubled", NOT_ENDED: "eos.missing"}


def about_model(renderer: Renderer) -> Iterator[Finding]:
    """What the tokenizer and the template themselves will lead to, whatever the rows."""
    special = renderer.special_tokens
    pad, eos = special.get("pad_token"), special.get("eos_token")
    stops = {renderer.tokenizer.id_to_token(id) for id in renderer.stop_ids}
    if pad is None:
        yield _about(
            "pad.missing",
            "info",
            "the tokenizer has no padding token",
            "Tunewright pads with a label of its own and never with eos; other trainers need "
            '"pad_token" in tokenizer_config.json, another token than eos',
        )
    elif pad in stops or pad == eos:
        yield _about(
            "pad.is-eos",
            "warn",
            f"padding and the end of a turn are the same token, {plain(pad)}: a collator that "
            "masks padding by its id masks the real end too, and the model never learns to stop",
            "Tunewright masks by position, so it is trained here; in other trainers take another "
            "pad_token",
        )
    if renderer.template is None:
        yield _about(
            "template.missing",
            "warn",
            "the model folder has no chat template: turns are joined without marks",
            "try the known ones: --template chatml; what fits goes into chat_template.jinja",
        )
    elif not _MARKS.search(renderer.template.source):
        yield _about(
            "template.no-generation",
            "info",
            "the template has no {% generation %} marks: TRL's assistant_only_loss refuses it",
            "nothing to do here, as Tunewright finds the answers by prefixes; elsewhere put "
            "{% generation %} … {% endgeneration %} around the assistant's content",
        )


def _about(id: str, severity: Literal["warn", "info"], message: str, fix: str) -> Finding:
    return Finding(id=id, severity=severity, message=message, count=1, places=(), fix=fix)


def trials(renderer: Renderer, normals: list[tuple[Place, Normal | str]]) -> Iterator[Trial]:
    """Every known template on the first row that has turns, those that fit the tokenizer first."""
    row = next(((p, n) for p, n in normals if isinstance(n, Normal) and n.text is None), None)
    if row is None:
        return
    place, normal = row
    vocabulary = renderer.tokenizer
    ordered = sorted(
        KNOWN, key=lambda t: any(vocabulary.token_to_id(token) is None for token in t.needs)
    )
    for template in ordered:
        absent = [token for token in template.needs if vocabulary.token_to_id(token) is None]
        under = with_template(renderer, template.name)
        try:
            _, example = sides_of(normal, place)[0]
            text = under.whole_text(example)
            wrong = check_row(under.tokenize(example, "completion"), under)
        except Problem as problem:
            yield Trial(template.name, template.title, None, problem.why)
            continue
        if absent:
            wrong = f"the vocabulary lacks {', '.join(absent)}"
        yield Trial(template.name, template.title, plain(text[:400]), wrong)
