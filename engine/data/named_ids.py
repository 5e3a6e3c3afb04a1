"""Identity numbers that are plain digits: told only where their name stands before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tunewright.engine.data.identifiers import cpf, luhn


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def _weighted(text: str, weights: tuple[int, ...]) -> int:
    return sum(d * w for d, w in zip(_digits(text), weights, strict=True))


def _poland(text: str) -> bool:
    """PESEL: the last digit completes the weighted sum to a multiple of ten."""
    return _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _netherlands(text: str) -> bool:
    """BSN: the elf proof, with -1 for the last digit."""
    return _weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _australia(text: str) -> bool:
    """TFN: a weighted sum that eleven divides."""
    return _weighted(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _germany(text: str) -> bool:
    """Steuer-IdNr.: ISO 7064, MOD 11,10."""
    digits = _digits(text)
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == digits[10]


def _luhn(text: str) -> bool:
    return luhn("".join(map(str, _digits(text))))


def _always(text: str) -> bool:
    return True


# (its name, the number, whether its check holds)
_KINDS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (r"CPF", r"\d{11}", cpf),
    (r"PESEL", r"\d{11}", _poland),
    (r"BSN|burgerservicenummer", r"\d{9}", _netherlands),
    (r"SIN|social insurance(?: number)?", r"\d{3}[ -]?\d{3}[ -]?\d{3}", _luhn),
    (r"TFN|tax file(?: number)?", r"\d{3} ?\d{3} ?\d{3}", _australia),
    (r"Steuer-?ID(?:nr)?|IdNr|Steueridentifikationsnummer", r"\d\d ?\d{3} ?\d{3} ?\d{3}", _germany),
    (r"SSN|social security(?: number)?", r"\d{3}[ -]?\d{2}[ -]?\d{4}", _always),
    (
        r"personnummer",
        r"(?:19|20)?\d{6}[-+]?\d{4}",
        lambda text: luhn(re.sub(r"\D", "", text)[-10:]),
    ),
    (r"PAN|permanent account(?: number)?", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", _always),
    (r"passport|Reisepass|passeport|pasaporte", r"(?=[A-Z]{0,2}\d|[A-Z]\d)[A-Z0-9]{7,9}", _always),
)
# Up to the number: "no.", "number is", a colon.
_BETWEEN = r"(?: ?(?:no|nr|number|num|id|card|is|was|#|:|=|\.|°|º|-)){0,4} ?"
_PATTERNS = tuple(
    (re.compile(rf"\b(?i:{name})\b(?i:{_BETWEEN})({number})(?![\w])"), holds)
    for name, number, holds in _KINDS
)
_NAMES = re.compile(r"\b(?:" + "|".join(name for name, _, _ in _KINDS) + r")\b", re.IGNORECASE)


def named_ids(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each number that its name precedes and whose check, if it has one, holds."""
    if _NAMES.search(text) is None:
        return
    for pattern, holds in _PATTERNS:
        for found in pattern.finditer(text):
            if holds(found[1]):
                yield found.start(1), found.end(1)
