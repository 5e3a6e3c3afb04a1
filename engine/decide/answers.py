"""What a person answered about a goal: the file of `tunewright decide --answers`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from tunewright.hardware.errors import Problem

Prompting = Literal["untried", "fails", "partly", "works"]
Knowledge = Literal["none", "static", "changes_monthly", "changes_daily"]
Quality = Literal["high", "mixed", "low", "unknown"]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One field for each question; None is "not answered", and is never guessed.

    `goal`: in the person's own words; kept, not judged.
    `prompting`: how far instructions to the base model got.
    `knowledge`: specific knowledge that the answers need, and how often it changes.
    `external_lookup`: live lookups or actions are needed that stored documents cannot give.
    `behaviour`: a new style, format or skill is wanted.
    `examples`: good examples that exist, each with its answer.
    `quality`: of these examples; "unknown" is an answer too: nobody has looked.
    `repetitive`: the task is well defined and comes again and again.
    `latency_critical`, `token_cost_critical`: what limits production.
    `domain_terms`: terms or ways of reasoning of a special field.
    `preference_pairs`: prompts with a better and a worse answer.
    `data`: path of the examples, relative to the file that holds the answers; "" for no file.
    """

    goal: str | None = None
    prompting: Prompting | None = None
    knowledge: Knowledge | None = None
    external_lookup: bool | None = None
    behaviour: bool | None = None
    examples: Count | None = None
    quality: Quality | None = None
    repetitive: bool | None = None
    latency_critical: bool | None = None
    token_cost_critical: bool | None = None
    domain_terms: bool | None = None
    preference_pairs: Count | None = None
    data: str | None = None


def answers_schema() -> dict[str, Any]:
    """The JSON Schema of an answers file."""
    return msgspec.json.schema(Answers)


def load_answers(path: Path) -> Answers:
    """Read and check an answers file; a `Problem` that names the field when it is wrong."""
    schema = "the fields and their values: tunewright decide --schema"
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"cannot read the answers {path}",
            why=str(error.strerror or error),
            cure='write one, e.g. {"prompting": "fails", "behaviour": true, "examples": 800}',
        ) from error
    try:
        return msgspec.json.decode(blob.removeprefix(b"\xef\xbb\xbf"), type=Answers)
    except msgspec.ValidationError as error:
        raise Problem(
            f"{path} holds an answer that is not understood",
            why=str(error) + _meant(str(error)),
            cure=schema,
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(f"{path} is not JSON", why=str(error), cure=schema) from error


_CHOICES = {"prompting": Prompting, "knowledge": Knowledge, "quality": Quality}


def _meant(told: str) -> str:
    """What a wrong answer may have meant: the values of its field, or the field that is nearest."""
    from difflib import get_close_matches

    field = re.search(r"\$\.(\w+)", told)
    if field is not None and field[1] in _CHOICES:
        return f": it is {', '.join(get_args(_CHOICES[field[1]]))}"
    unknown = re.search(r"unknown field `([^`]*)`", told)
    near = get_close_matches(unknown[1], Answers.__struct_fields__, 1) if unknown else []
    return f": is {near[0]} meant?" if near else ""
