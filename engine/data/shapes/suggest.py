"""How the fields of rows that have no known shape could be named: by what their names say in many
languages, else by their first text and their longest other one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any, NamedTuple

from tunewright.engine.data.shapes import reward
from tunewright.engine.data.shapes.shape import joined

# Values that are read as names of something, and not as what somebody said.
_ABOUT = re.compile(
    r"(?:^|_)(?:id|uuid|url|link|date|time|lang|language|source|model|split|name|type|kind|tags?"
    r"|label|topic|status|category|kategorie|categoría|categoria|catégorie|categorie|thema|tema"
    r"|version|license|author|user|method|created|updated)s?$"
)
_ASKS = re.compile(
    r"^nl$|frag|prompt|question|query|^ask|instruct|input|problem|request|customer|anweisung|aufgabe"
    r"|eingabe|pregunta|pergunta|consigna|entrada|domanda|richiesta|demande|vraag|pytanie|dotaz"
    r"|ot[aá]zka|fr[aå]ga|sp[oø]rgsm|sporsmal|kysymys|soru|вопрос|питання|问题|問題|質問|질문|سؤال"
    r"|प्रश्न"
)
_ANSWERS = re.compile(
    r"^cmd$|^command|^code$|^sql$|antwort|ausgabe|answer|^ans$|response|reply|output|complet|solution|assistant|respuesta"
    r"|salida|resposta|sa[ií]da|risposta|r[eé]ponse|sortie|antwoord|odpowied|odpov[eě]|^svar|vastaus"
    r"|cevap|yan[iı]t|ответ|відповідь|回答|答案|解答|답변|جواب|إجابة|उत्तर"
)
_DEEPEST, _MOST = 4, 40
_PLAIN = re.compile(r"[\w. ?/\[\]-]{1,80}")


class _Text(NamedTuple):
    path: str
    name: str
    said: str


def suggested(row: Any) -> str:
    """What could be asked for with such a row, to be tried and corrected."""
    if isinstance(row, dict):
        turns = next(_turns(row, "", 0), None)
        if turns is not None:
            return f"--format {quote(f'messages:messages={turns}')}"
        texts = list(_texts(row, "", 0))[:_MOST]
        spoken = [text for text in texts if not _ABOUT.search(text.name)]
        asked = next((text for text in spoken if _ASKS.search(text.name)), None)
        others = [text for text in spoken if text is not asked]
        answered = next((text for text in others if _ANSWERS.search(text.name)), None)
        left = [text for text in others if text is not answered]
        if asked is None and left:
            asked = left.pop(0)
        if answered is None and left:
            answered = max(left, key=lambda text: len(text.said))
        if asked is not None and answered is not None:
            fields = f"prompt={asked.path},completion={answered.path}"
            return f"--format {quote(f'prompt_completion:{fields}')}"
    return "--format prompt_completion:prompt=NAME,completion=NAME"


def _texts(value: Mapping[str, Any], before: str, depth: int) -> Iterator[_Text]:
    """The texts of a row, those of the objects in it too."""
    for key, inner in value.items():
        path = f"{before}{key}"
        if not _PLAIN.fullmatch(path):
            continue
        if isinstance(inner, str) and not reward.is_number(inner):
            yield _Text(path, joined(str(key)), inner)
        elif isinstance(inner, dict) and depth < _DEEPEST:
            yield from _texts(inner, f"{path}.", depth + 1)


def _turns(value: Mapping[str, Any], before: str, depth: int) -> Iterator[str]:
    """Where turns stand in the objects of a row."""
    for key, inner in value.items():
        path = f"{before}{key}"
        if not _PLAIN.fullmatch(path):
            continue
        first = inner[0] if isinstance(inner, list) and len(inner) > 1 else None
        if depth and isinstance(first, dict) and {"role", "content"} <= first.keys():
            yield path
        elif isinstance(inner, dict) and depth < _DEEPEST:
            yield from _turns(inner, f"{path}.", depth + 1)
