"""Which languages the rows are in: by script, and by the commonest words of those in Latin script.

No model: good enough to tell that a set is mixed, and which rows stand out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options
from tunewright.engine.data.checks.total import Total

_WORDS: dict[str, str] = {
    "en": "the and of to is in that it for with are this you not be have from what how can",
    "de": "der die das und ist nicht ein eine ich zu mit den auf für von sie wie werden auch es",
    "fr": "le la les et est une des du que pour dans vous pas qui sur avec ce sont je nous",
    "es": "el la los las y es una que en por para con del se como su más pero está qué",
    "it": "il lo gli e è una che di per con non sono della nel come più questo si ho anche",
    "pt": "o os e é uma que de para com não do da em como mais você ao são por isso",
    "nl": "de het een en is van niet dat ik op te zijn voor met aan hij ook maar wat naar",
    "pl": "i w nie na się jest to że do jak o z co dla być tak po czy ale od",
    "sv": "och det att är en som på för inte med jag den till av har de om ett kan var",
    "tr": "ve bir bu için ile de da çok ne gibi daha en olarak var mı ama kadar ben olan",
    "id": "yang dan di untuk dengan ini itu dari adalah tidak pada ke dalam akan saya bisa atau",
    "vi": "và là của có không cho được một các trong người này với để những khi đã từ",
}
_BY_WORD: dict[str, tuple[str, ...]] = {}
for _language, _list in _WORDS.items():
    for _word in _list.split():
        _BY_WORD[_word] = (*_BY_WORD.get(_word, ()), _language)
_COMMON = frozenset(_BY_WORD)
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
)
_SCRIPT_SHARE = 0.2
_SIGNS = 400
_MOST_ASKED = 4000
# A text is in a language when it has so many different ones of its common words.
_FEWEST = 4
# A question that asks for another language is answered rightly in it.
_ASKED = re.compile(
    r"translat|übersetz|tradui|traduc|tradu[çz]|перевод|переве|翻译|翻譯|訳し|번역"
    r"|\bin (?:english|german|french|spanish|italian|portuguese|dutch|polish|swedish|turkish"
    r"|indonesian|vietnamese|japanese|korean|chinese|russian|arabic|hindi|thai|hebrew|greek)\b",
    re.IGNORECASE,
)
# A second language below this share of the rows is noise, above it a mix.
_MIX = 0.003
# The language of the set, where so many of the rows are in it: an answer in another one stands out
# even where its question is too short to tell.
_OF_THE_SET = 0.9

KINDS = (
    Kind(
        "language.mix",
        "info",
        "the rows are in several languages",
        "keep the mix only if all are wanted; rows of a language: filter by this finding",
        ("drop=language.mix",),
    ),
    Kind(
        "language.switch",
        "info",
        "{count} answers are in another language than the question",
        "right for translation; else remove them: --fix drop=language.switch",
        ("drop=language.switch",),
        warn_from=0.05,
    ),
)


def language_of(words: Sequence[str], text: str) -> str | None:
    """The language of a text, None when it is too short or too odd to tell."""
    if not text.isascii():
        head = text[:_SIGNS]
        letters = sum(map(str.isalpha, head)) or 1
        for language, script in _SCRIPTS:
            if len(script.findall(head)) >= _SCRIPT_SHARE * letters:
                return language
    # Different words, as one that two languages share may be frequent.
    common = _COMMON.intersection(words[:120])
    if len(common) < _FEWEST:
        return None
    found: Counter[str] = Counter()
    for word in common:
        found.update(_BY_WORD[word])
    (best, count), *rest = found.most_common(2)
    return best if count >= _FEWEST and (not rest or count > rest[0][1] + 1) else None


def look(
    rows: Sequence[Looked], hits: Hits, options: Options
) -> tuple[list[str | None], dict[int, tuple[str, str]]]:
    languages: list[str | None] = []
    alone: dict[int, tuple[str, str]] = {}
    for at, row in enumerate(rows):
        language = language_of(row.words, row.text)
        languages.append(language)
        normal = row.normal
        if normal is None or not normal.asked or not normal.answer:
            continue
        answer = normal.answer
        if language == "en" and answer.isascii() and len(normal.messages) == 2:
            # Plain English throughout is by far the commonest row.
            answered = language_of(answer[:_SIGNS].lower().split(), answer)
            if answered in (None, "en"):
                continue
        asked = normal.asked[-1].content
        first = language_of(asked[:_SIGNS].lower().split(), asked)
        second = language_of(answer[:_SIGNS].lower().split(), answer)
        if first and second and first != second and not _ASKED.search(row.text[:_MOST_ASKED]):
            hits.add(
                "language.switch", row.number, normal.answer_field, f"{first} → {second}: {answer}"
            )
        elif second and not first and not _ASKED.search(row.text[:_MOST_ASKED]):
            alone[at] = second, normal.answer_field
    return languages, alone


class _Languages:
    def __init__(self, options: Options) -> None:
        self._codes: list[str | None] = []
        self._numbers: dict[str | None, int] = {}
        self._rows = bytearray()
        self._alone: list[tuple[int, str, str]] = []

    def add(self, part: Any, side: str) -> None:
        languages, alone = part
        start = len(self._rows)
        self._alone += [(start + at, *told) for at, told in alone.items()]
        for language in languages:
            number = self._numbers.setdefault(language, len(self._numbers))
            self._rows.append(number)

    def finish(self, total: Total) -> None:
        counts = Counter(self._rows)
        by_name = {name: counts[n] for name, n in self._numbers.items() if name is not None}
        total.facts.languages = dict(sorted(by_name.items(), key=lambda item: -item[1]))
        ordered = list(total.facts.languages.items())
        known = sum(by_name.values())
        if ordered and ordered[0][1] >= _OF_THE_SET * known:
            for row, language, field in self._alone:
                if language != ordered[0][0]:
                    told = f"{language}, and the set is {ordered[0][0]}"
                    total.add_rows("language.switch", [row], field, {row: told})
        others = {name for name, count in ordered[1:] if count >= max(1, _MIX * known)}
        if not others:
            return
        shares = ", ".join(f"{name} {_share(count / known)}" for name, count in ordered[:6])
        numbers = {self._numbers[name] for name in others}
        rows = (row for row, number in enumerate(self._rows) if number in numbers)
        total.add_rows("language.mix", rows, "row")
        total.add_set("language.mix", f"the rows are in several languages: {shares}")


def _share(share: float) -> str:
    return "under 1%" if share < 0.005 else f"{share:.0%}"


FAMILY = Family("language", "language mix", KINDS, look, _Languages)
