"""What a scraper, a template or a chat format has left in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options

HTML = re.compile(
    r"</?(?:div|span|p|br|a|li|ul|ol|td|tr|table|img|script|style|font|b|i|em|strong|h[1-6])"
    r"(?:\s[^<>]{0,200})?/?>|&(?:nbsp|amp|lt|gt|quot|#\d{2,5});",
    re.IGNORECASE,
)
_HTML_GATE = re.compile(r"[<&]")
# Jinja, mustache, ERB, and the blanks that people leave in templates.
TEMPLATE = re.compile(
    r"\{\{\s*[\w.\[\]'\" |]{1,60}\s*\}\}|\{%-?\s*\w[^{}%]{0,80}%\}|<%=?[^%<>]{1,80}%>"
    r"|\$\{\w{1,40}\}"
    r"|\[(?:insert|your|enter|add|placeholder|name|company|date)\b[^\[\]\n]{0,40}\]"
    r"|<(?:insert|your|placeholder)[ _][^<>\n]{1,40}>|\blorem ipsum\b",
    re.IGNORECASE,
)
_TEMPLATE_GATE = re.compile(r"[{<\[$]|lorem", re.IGNORECASE)
SPECIAL = re.compile(
    r"<\|[a-z_]{2,30}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>"
    r"|(?m:^### ?(?:Instruction|Response|Input|Human|Assistant):)"
    r"|(?m:^(?:Human|Assistant|USER|ASSISTANT): )"
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
        for id, gate, pattern in _LOOKS:
            if gate.search(row.text) and pattern.search(row.text):
                if id == "text.special" and row.bound and row.bound.shape.name == "dialogue":
                    continue
                hits.add(id, row.line, *row.where(pattern))


FAMILY = Family("remains", "HTML, template and chat format remains", KINDS, look)
