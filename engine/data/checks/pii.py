"""Personal data: what can be told by form and checksum, and names where a model is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options, around
from tunewright.engine.data.identifiers import ip_kind, is_card, is_iban, national_id
from tunewright.engine.data.named_ids import named_ids
from tunewright.engine.data.people import people

_REDACT = "replace it: --fix redact (or redact={name}), or remove the rows: --fix drop={id}"


def _kind(name: str, what: str) -> Kind:
    id = f"pii.{name}"
    fix = _REDACT.format(name=name, id=id)
    return Kind(id, "warn", f"{{count}} rows hold {what}", fix, (f"redact={name}", f"drop={id}"))


KINDS = (
    _kind("email", "e-mail addresses"),
    _kind("phone", "phone numbers"),
    _kind("card", "payment card numbers (Luhn holds)"),
    _kind("iban", "IBANs (the checksum holds)"),
    _kind("national-id", "national identity numbers"),
    _kind("ip", "public IP addresses"),
    _kind("address", "street addresses"),
    _kind("example", "addresses of private nets, or set aside for examples")._replace(
        severity="info"
    ),
    Kind(
        "pii.name",
        "info",
        "{count} rows hold what a model takes for names of people",
        "right for people in public life; replace others with the same model: --fix names=MODEL",
        ("names",),
    ),
)


class Span(NamedTuple):
    """Where in a text something personal stands; `name` is its kind without `pii.`."""

    start: int
    end: int
    name: str


_EMAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![A-Za-z0-9_])"
)
# Written so that no machine may find it.
_HIDDEN = re.compile(
    r"[A-Za-z0-9._%+-]{1,64} ?[\[(] ?at ?[\])] ?[A-Za-z0-9-]{1,63}"
    r"(?:(?: ?[\[(] ?dot ?[\])] ?|\.)[A-Za-z0-9-]{2,63}){1,4}",
    re.IGNORECASE,
)
_HIDES = re.compile(r"[\[(] ?at ?[\])]", re.IGNORECASE)
_LOGIN = re.compile(r"://[^\s/@]*\Z")
# Domains that are set aside for examples (RFC 2606), and those that people make up for them.
_EXAMPLE = re.compile(
    r"@(?:[\w-]+\.)*(?:example(?:-\w+)?\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid)"
    r"|(?:your|my)?-?(?:domain|company|email|site|website)\.(?:com|org|net))$"
)
# Patterns that begin with a set of characters are quick to search; those that begin with an
# assertion are tried at every place, and only where one of these has matched.
_LONG = re.compile(r"[0-9][0-9 .,()/-]{5,}[0-9]")
_CODED = re.compile(r"[A-Z][A-Z] ?[0-9][0-9]")
_DOTTED = re.compile(r"[0-9]\.[0-9]+\.[0-9]")
_PHONE = re.compile(
    r"(?<![\w.,$€£%])(?:\+\d|\(\d{2,5}\)|\d{2,5}[-. /]\d{2,4}[-. ]\d|0\d{2,4} ?/ ?\d|07\d{3} \d)"
    r"[\d .()/-]{3,20}(?!\w)"
)
_MOBILE = re.compile(r"07\d{3} \d{6}(?!\d)")
_FRENCH = re.compile(r"0[1-9](?:[ .-]\d\d){4}(?!\d)")
_GERMAN = re.compile(r"0[1-9]\d{1,3} ?/ ?\d")
_BRAZILIAN = re.compile(r"\(\d\d\) ?9?\d{4}-\d{4}(?!\d)")
_CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?!\.?\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){2,7}[0-9A-Fa-f:.]{1,20}")
_STREET = re.compile(
    r"[0-9]{1,5}[A-Z]?,? (?:(?:[NSEW]\. )?(?!Wall Street [a-z])(?:[A-Z][a-z]+\.? ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Terrace"
    r"|Highway|Hwy|Parkway|Pkwy)\b(?!')"
    r"|(?:rue|avenue|boulevard|place|chemin|impasse) (?:de |du |des |la |le |l')*[A-ZÉ]\w+)"
)
# "In 2001, Alabama Supreme Court": a year, and no number of a house.
_YEAR = re.compile(r"(?:1[5-9]|20)[0-9]{2}, ")
_NUMBER_LAST = re.compile(
    r"[A-ZÄÖÜ][a-zäöüß]{2,20}(?:straße|strasse|weg|platz|allee|gasse|str\.) \d{1,4}\b"
    r"|(?:Calle|Avenida|Via|Viale|Piazza|Rua) (?:[A-ZÀ-Ý]\w+ ){1,3},? ?\d{1,4}\b"
)
_NUMBER_LAST_WORDS = (
    "straße ", "strasse ", "weg ", "platz ", "allee ", "gasse ", "str. ", "Calle ", "Avenida ",
    "Via ", "Viale ", "Piazza ", "Rua ",
)  # fmt: skip
_DIGIT = re.compile(r"[0-9]")


def spans(text: str) -> list[Span]:
    """Everything personal in a text, in order, none within another."""
    found: list[Span] = []
    if "@" in text:
        found += [
            Span(m.start(), m.end(), "example" if _EXAMPLE.search(m[0].lower()) else "email")
            for m in _EMAIL.finditer(text)
            if not _in_login(text, m.start()) and not m[0].startswith("git@")
        ]
    if _HIDES.search(text):
        found += [Span(m.start(), m.end(), "email") for m in _HIDDEN.finditer(text)]
    if _DIGIT.search(text):
        found += [
            Span(m.start(), m.end(), "address")
            for m in _STREET.finditer(text)
            if not _YEAR.match(m[0])
        ]
        if any(word in text for word in _NUMBER_LAST_WORDS):
            found += [Span(m.start(), m.end(), "address") for m in _NUMBER_LAST.finditer(text)]
        coded, long = _CODED.search(text), _LONG.search(text)
        if coded:
            found += [
                Span(m.start(), m.start() + len(iban), "iban")
                for m in _IBAN.finditer(text)
                if (iban := is_iban(m[0]))
            ]
        if _DOTTED.search(text):
            found += _addresses(_IPV4, text)
        if text.count(":") > 2:
            found += _addresses(_IPV6, text)
        if coded or long:
            found += [Span(start, end, "national-id") for start, end in national_id(text)]
            found += [Span(start, end, "national-id") for start, end in named_ids(text)]
        if long:
            found += [
                Span(m.start(), m.end(), "card") for m in _CARD.finditer(text) if is_card(m[0])
            ]
            found += [Span(start, end, "phone") for start, end in _phones(text)]
    if len(found) < 2:
        return found
    # What begins first and is longest stands for what lies within it.
    found.sort(key=lambda span: (span.start, -span.end))
    kept: list[Span] = []
    for span in found:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _in_login(text: str, start: int) -> bool:
    """Whether what looks like an address is the login of a URL: ftp://name:password@host."""
    return _LOGIN.search(text[max(0, start - 80) : start]) is not None


def _addresses(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    for found in pattern.finditer(text):
        kind = ip_kind(found[0])
        if kind is not None:
            yield Span(found.start(), found.end(), kind)


@lru_cache(maxsize=1)
def _matcher() -> Any:
    from phonenumbers import Leniency, PhoneNumberMatcher

    return PhoneNumberMatcher, Leniency.VALID


def _phones(text: str) -> Iterator[tuple[int, int]]:
    """Valid numbers with a country code, or as they are written in the US, Britain, France, Germany
    (with a slash) or Brazil."""
    matcher, valid = _matcher()
    for near in _PHONE.finditer(text):
        start, end = max(0, near.start() - 1), min(len(text), near.end() + 8)
        piece = text[start:end]
        region = "GB" if near[0].lstrip("(").startswith("0") else "US"
        if _FRENCH.match(near[0]):
            region = "FR"
        elif _GERMAN.match(near[0]):
            region = "DE"
        elif _BRAZILIAN.match(near[0]):
            region = "BR"
        for match in matcher(piece, region, leniency=valid):
            raw = match.raw_string
            written = raw.startswith(("+", "(")) or sum(c in " -./()" for c in raw) >= 2
            if written or _MOBILE.match(raw):
                yield start + match.start, start + match.end
                break


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    if options.names is not None:
        for row, found in zip(
            rows, people([r.every_text for r in rows], options.names), strict=True
        ):
            if found:
                hits.add("pii.name", row.number, *_placed(row, Span(*found[0], "name")))
    for row in rows:
        text = row.every_text
        if not _DIGIT.search(text) and "@" not in text and not _HIDES.search(text):
            continue
        for span in spans(text):
            field, example = _placed(row, span)
            hits.add(f"pii.{span.name}", row.number, field, example)


def _placed(row: Looked, span: Span) -> tuple[str, str]:
    start = 0
    for field, text in row.every_field:
        end = start + len(text)
        if start <= span.start <= end:
            said = row.every_text[span.start : span.end]
            return row.field_of(field, said), around(text, span.start - start, span.end - start)
        start = end + 1
    return "row", ""


FAMILY = Family("pii", "personal data", KINDS, look)
