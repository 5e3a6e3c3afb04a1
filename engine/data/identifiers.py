"""Numbers that carry their own check: cards, IBANs, national identity numbers, IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator


def is_card(text: str) -> bool:
    """A card number of a known brand and length whose Luhn digit (ISO/IEC 7812-1) holds."""
    digits = re.sub(r"[ -]", "", text)
    length = len(digits)
    # Old numbers of 13 digits, and those of 19, are as often figures: they are written in groups.
    lengths = (16,) if digits == text else (13, 16, 19)
    brand = (
        (digits[0] == "4" and length in lengths)
        or (digits[:2] in ("34", "37") and length == 15)
        or (length == 16 and ("51" <= digits[:2] <= "55" or "2221" <= digits[:4] <= "2720"))
        or (length == 16 and (digits[:4] == "6011" or digits[:2] == "65"))
        or (digits[:2] in ("36", "38") and length == 14)
        or (digits[:4] >= "3528" and digits[:4] <= "3589" and length == 16)
    )
    return brand and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """Every second digit from the right doubled, its digits added: a multiple of ten."""
    total = 0
    for at, char in enumerate(reversed(digits)):
        value = int(char) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# ISO 13616: characters of a country's IBAN.
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BR": 29, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24,
    "FI": 18, "FR": 27, "GB": 22, "GE": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23,
    "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip


def is_iban(text: str) -> str | None:
    """The IBAN that `text` begins with, as it stands there; None when its checksum fails."""
    want = _IBAN_LENGTHS.get(text[:2])
    if want is None:
        return None
    taken, length = "", 0
    for char in text:
        taken += char
        length += char != " "
        if length == want:
            break
    bare = taken.replace(" ", "")
    if len(bare) != want:
        return None
    moved = bare[4:] + bare[:4]
    return taken if int("".join(str(int(c, 36)) for c in moved)) % 97 == 1 else None


def ip_kind(text: str) -> str | None:
    """ "ip" for an address of the public internet, "example" for one of a private net, of those set
    aside for examples or of a known name server, which name nobody; None for what is no address:
    versions such as 1.2.3.4, this machine, masks."""
    if len(text) == 7 and text.count(".") == 3 and text not in _NAME_SERVERS:
        return None
    try:
        address = ipaddress.ip_address(text.rstrip(".:"))
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or address.is_multicast or text[:4] == "255.":
        return None
    return "ip" if address.is_global and text not in _NAME_SERVERS else "example"


_NAME_SERVERS = ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9")


def _spain(text: str) -> bool:
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23] == text[-1]


def _france(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def cpf(text: str) -> bool:
    """Brazil's: two check digits, each of those before it."""
    digits = [int(c) for c in text if c.isdigit()]
    for length in (9, 10):
        rest = sum(d * (length + 1 - i) for i, d in enumerate(digits[:length])) * 10 % 11 % 10
        if rest != digits[length]:
            return False
    return len(set(digits)) > 1


def _china(text: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    rest = sum(int(c) * w for c, w in zip(text, weights, strict=False)) % 11
    return "10X98765432"[rest] == text[-1].upper() and "19" <= text[6:8] <= "20"


def _switzerland(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    rest = sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits[:12]))
    return (10 - rest % 10) % 10 == digits[12]


# Verhoeff's check digit (1969): products in the dihedral group of ten elements, row by row, and
# the permutation that each place applies.
_D = [
    [int(digit) for digit in row]
    for row in (
        "0123456789 1234067895 2340178956 3401289567 4012395678 "
        "5987604321 6598710432 7659821043 8765932104 9876543210"
    ).split()
]
_P = [
    [int(digit) for digit in row]
    for row in (
        "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258"
    ).split()
]


def _india(text: str) -> bool:
    """Aadhaar numbers end with Verhoeff's digit."""
    check = 0
    for at, char in enumerate(reversed(text.replace(" ", ""))):
        check = _D[check][_P[at % 8][int(char)]]
    return check == 0


def _us(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _spain_foreign(text: str) -> bool:
    """An NIE's letter stands for a first digit."""
    return _spain(f"{'XYZ'.index(text[0])}{text[1:]}")


def _singapore(text: str) -> bool:
    """NRIC and FIN: a letter for the weighted sum, which later series move by four."""
    total = sum(int(c) * w for c, w in zip(text[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    total += 4 if text[0] in "TG" else 0
    return ("JZIHGFEDCBA" if text[0] in "ST" else "XWUTRQPNMLK")[total % 11] == text[-1]


def _always(text: str) -> bool:
    return True


_BRITISH = (
    r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"
)
_FRENCH = r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\d)"
_NATIONAL: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), _us),
    (re.compile(_BRITISH), _always),
    (re.compile(r"\b\d{8}-?[A-HJ-NP-TV-Z]\b"), _spain),
    (re.compile(r"\b[XYZ]\d{7}[A-HJ-NP-TV-Z]\b"), _spain_foreign),
    (re.compile(r"\b[STFG]\d{7}[A-Z]\b"), _singapore),
    (re.compile(r"\b[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d\b"), _always),
    (re.compile(_FRENCH), _france),
    (re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]\b"), _always),
    (re.compile(r"(?<!\d)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)"), cpf),
    (re.compile(r"(?<!\d)[1-9]\d{16}[\dXx](?!\w)"), _china),
    (re.compile(r"(?<!\d)756\.\d{4}\.\d{4}\.\d{2}(?!\d)"), _switzerland),
    (re.compile(r"(?<![\d-])[2-9]\d{3} \d{4} \d{4}(?! ?\d)"), _india),
)


def national_id(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of identity numbers of the US, Britain, Spain, France, Italy, Brazil, Mexico,
    China, Singapore, Switzerland and India, those with a check digit only where it holds."""
    for pattern, holds in _NATIONAL:
        for found in pattern.finditer(text):
            if holds(found[0]):
                yield found.start(), found.end()
