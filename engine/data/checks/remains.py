"""What a scraper, a template or a chat format has left in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options, around

HTML = re.compile(
    r"</?(?:div|span|p|br|a|li|ul|ol|td|tr|table|img|script|style|font|b|i|em|strong|h[1-6])"
    r"(?:\s[^<>]{0,200})?/?>|&(?:nbsp|amp|lt|gt|quot|#\d{2,5});",
    re.IGNORECASE,
)
_HTML_GATE = re.compile(r"[<&]")
# Jinja, mustache, ERB, and the blanks that people leave in templates.
TEMPLATE = re.compile(
    # Not LaTeX's groups, BibTeX's values, JSX's styles, or the expressions of GitHub's workflows.
    r"(?<![}^_$\\={])\{\{-?\s*[A-Za-z_][\w.\[\]'\" |]{0,60}\s*-?\}\}(?!\})"
    r"|\{%-?\s*\w[^{}%]{0,80}%\}|<%=?[^%<>]{1,80}%>"
    r"|\$\{\w{1,40}\}|%\([a-z_]{2,30}\)s"
    # Python's format: names that say what belongs there, and none of LaTeX, sets or paths.
    r"|(?<![\w}^_$\\={/\"'])\{(?:[a-z]{2,}_[a-z_]{2,}|name|username|user|company|product|email|date"
    r"|city|country|address|title|topic|question|answer|context|input)\}(?![}\w\"'])"
    r"|\[(?:insert|placeholder)\b[^\[\]\n]{0,40}\]"
    r"|\[(?:enter|add) (?:your|the|a|an|name|date)\b[^\[\]\n]{0,40}\]"
    r"|\[(?:your|name|company|date)(?:[ _'’/-]\w+){0,4}\](?!\()"
    r"|<(?:insert|your|placeholder)[ _][^<>\n]{1,40}>|\blorem ipsum\b",
    re.IGNORECASE,
)
# In LaTeX a group follows a command: \text{{x}}.
_LATEX = re.compile(r"\\[A-Za-z]+\Z")
# Code is right as it is, in fences, in backticks, or as a whole page.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.DOTALL)
_PAGE = re.compile(
    r"<!doctype html|<html[\s>]|<\?php|<\?xml|\bfunction ?\(|=> ?[{(]"
    r"|^\s*(?:import \w|from \w+ import|def \w+\()",
    re.IGNORECASE | re.MULTILINE,
)
# A question about markup is answered rightly in it.
_ABOUT = re.compile(
    r"\b(?:html5?|xml|svg|css|jsx|javascript|typescript|react|angular|vue|php|jinja|markup"
    r"|web ?pages?|websites?|bootstrap|selenium|regex|code|script|tags?)\b",
    re.IGNORECASE,
)
_TEMPLATE_GATE = re.compile(r"[{<\[$]|lorem|%\(", re.IGNORECASE)
SPECIAL = re.compile(
    r"<\|[a-z_]{2,30}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>"
    r"|(?m:^### ?(?:Instruction|Response|Input|Human|Assistant):)"
    r"|(?m:^(?:Human|Assistant|USER|ASSISTANT): )"
)
# A line of a chat that was saved as text, by WhatsApp and others.
CHAT_LINE = re.compile(
    r"\A\[?\d{1,4}[./-]\d{1,2}[./-]\d{2,4},? \d{1,2}[:.]\d{2}[^:\n]{0,30}?[-\]] ?[^:\n]{1,40}:"
)
_SPECIAL_GATE = re.compile(r"[<\[]|#|: ")

KINDS = (
    Kind(
        "text.html",
        "warn",
        "{count} rows hold HTML tags or entities",
        "convert the source to text; rows about HTML are right as they are",
    ),
    Kind(
        "text.template",
        "warn",
        "{count} rows hold remains of a template, such as {{{{name}}}}",
        "fill the blanks at the source, or remove the rows: --fix drop=text.template",
        ("drop=text.template",),
    ),
    Kind(
        "text.chat-line",
        "warn",
        "{count} rows are lines of a saved chat, where nobody is the assistant",
        'to learn to answer as one of them, write a conversation a row: {"messages": [{"role": '
        '"user", …}, {"role": "assistant", …}]}',
        ("drop=text.chat-line",),
    ),
    Kind(
        "text.special",
        "warn",
        "{count} rows hold marks of a chat format, such as <|im_start|> or [INST]",
        "the chat template writes these marks: take them out of the text, or split the dialogue "
        "into turns",
    ),
)
_LOOKS = (
    ("text.html", _HTML_GATE, HTML),
    ("text.template", _TEMPLATE_GATE, TEMPLATE),
    ("text.special", _SPECIAL_GATE, SPECIAL),
)


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    for row in rows:
        if row.normal is not None and row.normal.text is not None and CHAT_LINE.match(row.text):
            hits.add("text.chat-line", row.number, row.texts[0][0], row.text[:60])
        for id, gate, pattern in _LOOKS:
            if not gate.search(row.text) or not pattern.search(row.text):
                continue
            if id == "text.special":
                if not row.bound or row.bound.shape.name not in ("dialogue", "rendered"):
                    hits.add(id, row.number, *row.where(pattern))
                continue
            asked = row.normal.asked if row.normal is not None else ()
            if id == "text.html" and any(_ABOUT.search(turn.content) for turn in asked):
                continue
            found = _remains(row, pattern)
            if found is not None:
                hits.add(id, row.number, *found)


def _remains(row: Looked, pattern: re.Pattern[str]) -> tuple[str, str] | None:
    """(field, what stands there) of the first match that is no code."""
    for field, text in row.texts:
        if _PAGE.search(text):
            continue
        bare = _CODE.sub(_blank, text) if "`" in text else text
        for found in pattern.finditer(bare):
            before = bare[max(0, found.start() - 30) : found.start()]
            if not (found[0].startswith("{{") and _LATEX.search(before)):
                said = around(text, found.start(), found.end())
                return row.field_of(field, found[0]), said
    return None


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


FAMILY = Family("remains", "HTML, template and chat format remains", KINDS, look)
