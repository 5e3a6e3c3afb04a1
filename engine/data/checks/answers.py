"""Answers that teach the wrong thing: refusals, boilerplate, copies of the question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunewright.engine.data.alike import is_copy
from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options

# At the beginning of an answer; further on such words may be quoted.
REFUSAL = re.compile(
    r"\s*(?:(?:i(?:'|’)m|i am) (?:really |very |so )?sorry,? (?:but )?(?:i|as)\b[^.\n]{0,80}"
    r"(?:can(?:'|’)?t|cannot|unable|not able|won(?:'|’)?t)"
    r"|(?:sorry|unfortunately|apologies),? (?:but )?(?:i|as an ai)\b[^.\n]{0,60}"
    r"(?:can(?:'|’)?t|cannot|unable|not able)"
    r"|i apologi[sz]e,? (?:but )?(?:i|as)\b[^.\n]{0,80}"
    r"(?:can(?:'|’)?t|cannot|unable|not able|won(?:'|’)?t)"
    r"|i(?:(?:'|’)m| am) (?:not able|unable) to (?:assist|help|provide|fulfil|comply|answer|do)"
    r"|i (?:can(?:'|’)?t|cannot|won(?:'|’)?t|am unable to|am not able to)"
    r" (?:assist|help|provide|fulfil|comply|answer|do that|create|generate|engage|discuss|share)"
    r"|as an? (?:ai(?: language)?|language|large language)(?: model| assistant)?,? (?:i|it)\b"
    r"[^.\n]{0,60}(?:can(?:'|’)?t|cannot|unable|not able|don(?:'|’)?t have|do not have)"
    r"|es tut mir leid,? (?:aber )?ich kann|je suis désolée?,? (?:mais )?je ne peux"
    r"|lo siento,? (?:pero )?no puedo)",
    re.IGNORECASE,
)
BOILERPLATE = re.compile(
    r"\b(?:as an ai(?: language)? (?:model|assistant)|as a large language model|my knowledge cutoff"
    r"|as of my last (?:knowledge )?update|i was trained by openai|i am chatgpt|i(?:'|’)m chatgpt"
    r"|i hope this helps|let me know if you (?:have any|need)|is there anything else i can help"
    r"|feel free to ask)\b",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(
    r"\s*(?:(?:todo|tbd|fixme|xxx)\b.*|null|undefined|nan|\.{2,}|-{1,3}|\?+|[<\[].{0,20}"
    r"(?:answer|response|output|completion).{0,10}[>\]])\s*\Z",
    re.IGNORECASE,
)
_SHORT = 60
# One of these is in every refusal and stock phrase.
_GATE = (
    "sorry", "apologi", "can't", "can’t", "cannot", "unable", "as an ai", "won't", "won’t",
    "not able",
    "language model", "knowledge cutoff", "last update", "knowledge update", "openai", "chatgpt",
    "hope this helps", "let me know if", "anything else", "feel free", "unfortunately", "apologies",
    "tut mir leid", "désolé", "lo siento",
)  # fmt: skip

KINDS = (
    Kind(
        "answer.refusal",
        "info",
        "{count} answers refuse ({share} of the rows)",
        "keep them only where a refusal is right: --fix drop=answer.refusal",
        ("drop=answer.refusal",),
        warn_from=0.02,
    ),
    Kind(
        "answer.boilerplate",
        "info",
        "{count} answers hold the stock phrases of an assistant ({share} of the rows)",
        "the model will say them too; remove the rows or the phrases: "
        "--fix drop=answer.boilerplate",
        ("drop=answer.boilerplate",),
        warn_from=0.05,
    ),
    Kind(
        "answer.placeholder",
        "warn",
        "{count} answers stand for one that is missing, such as TODO or null",
        "write the answer, or remove them: --fix drop=answer.placeholder",
        ("drop=answer.placeholder",),
    ),
    Kind(
        "answer.copied",
        "warn",
        "{count} answers say what was asked, word for word or nearly",
        "remove them, unless copying is the task: --fix drop=answer.copied",
        ("drop=answer.copied",),
    ),
    Kind(
        "pair.same",
        "error",
        "{count} pairs have the same answer chosen and rejected",
        "remove them, nothing can be learned from them: --fix drop=pair.same",
        ("drop=pair.same",),
    ),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    for row in rows:
        normal = row.normal
        if normal is None or normal.kind == "text":
            continue
        answer = normal.answer or ""
        if any(words in row.low for words in _GATE):
            if REFUSAL.match(answer):
                hits.add("answer.refusal", row.number, normal.answer_field, answer)
            found = BOILERPLATE.search(answer)
            if found is not None:
                hits.add("answer.boilerplate", row.number, normal.answer_field, found[0])
        if len(answer) < _SHORT and PLACEHOLDER.match(answer):
            hits.add("answer.placeholder", row.number, normal.answer_field, answer)
        asked = normal.asked
        # An answer may well say what a tool has found.
        if asked and asked[-1].role == "user" and is_copy(asked[-1].content, answer):
            hits.add("answer.copied", row.number, normal.answer_field, answer)
        if normal.chosen and normal.chosen == normal.rejected:
            hits.add("pair.same", row.number, "chosen", answer)


FAMILY = Family("answers", "refusals, boilerplate, copies", KINDS, look)
