"""Keys, tokens and passwords: the regular expressions of detect-secrets, and a few of newer keys.

Its entropy plugins are left out: they flag every text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from tunewright.engine.data.checks.check import Family, Hits, Kind, Looked, Options, around

# Every pattern below needs one of these: a row without them costs a few searches for a literal.
_LITERALS = (
    "A3T", "ABIA", "ACCA", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "xox", "hooks.slack", "PRIVATE KEY", "eyJ", "sk-", "k_live_", "SG.", "pypi-AgE",
    "npm_", "_authToken", "AccountKey=", "sq0csp", "hf_", "AIza", "AKC", "SK", "AC", "-us", ":AA",
    "earer ", "k_test_", "whsec_", "glrt-", "xapp-", "GOCSPX-", "ya29.", "sig=", "Q~", "Basic ",
    "dop_v1_", "shpat_", "dapi", "gsk_", "r8_", "xai-", "pplx-", "lin_api_", "ntn_", "hvs.",
    "dckr_pat_", "ATATT3", "nvapi-", "AGE-SECRET-KEY-",
)  # fmt: skip
_WORDS = ("key", "secret", "token", "passw")
_DISCORD = re.compile(r"[MNO][\w-]{23,25}\.")
_ASSIGNED = re.compile(
    r"(?:api[_-]?key|secret[_-]?(?:access[_-]?)?key|access[_-]?token|client[_-]?secret"
    r"|passw(?:or)?d)\\?[\"']? ?[:=]",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"://[^\s/:@]{0,60}:[^\s/@]{1,60}@")


def _may_hold(text: str, low: str) -> bool:
    return (
        any(literal in text for literal in _LITERALS)
        or ("://" in text and "@" in text and _LOGIN.search(text) is not None)
        or (any(word in low for word in _WORDS) and _ASSIGNED.search(text) is not None)
        or _DISCORD.search(text) is not None
    )


# Where there is a group, it alone is the secret: the name of what it is assigned to stays.
_OWN = re.compile(
    r"\bhf_[A-Za-z0-9]{30,40}\b|\bAIza[0-9A-Za-z_-]{35}\b|\bsk-(?:ant|proj|or|svcacct)-[\w-]{20,}"
    r"|\bsk-[A-Za-z0-9]{40,}\b|\bgithub_pat_\w{40,}"
    r"|\b[Bb]earer ((?=[^\s]{0,60}\d)[A-Za-z0-9_\-.~+/]{20,}=*)"
    r"|(?i:(?<![A-Za-z0-9])(?:[a-z]{2,12}_)?(?:api[_-]?key|secret[_-]?(?:access[_-]?)?key|access[_-]?token|client[_-]?secret|passw(?:or)?d))"
    r"\\?[\"']? ?[:=] ?\\?[\"']?((?=[^\s\"']{0,60}\d)[A-Za-z0-9_\-/+=!#$%]{16,})"
    # A shorter password, if it is none that somebody would write into an example.
    r"|(?i:(?<![A-Za-z0-9])(?:[a-z]{2,12}_)?passw(?:or)?d)\\?[\"']? ?[:=] ?\\?[\"']?"
    r"((?=[^\s\"']{0,60}\d)(?=[^\s\"']{0,60}[a-z])(?=[^\s\"']{0,60}[A-Z])"
    r"(?![A-Z]?[a-z]+\d+[^A-Za-z0-9]?[\s\"'])[A-Za-z0-9_\-/+=!#$%]{10,})"
    # Logins without a name, and what says what it is by how it begins.
    r"|://:((?=[^\s/@]{0,60}\d)[^\s/@:]{8,80})(?=@)"
    r"|\bAuthorization: Basic ((?=[A-Za-z0-9+/]{0,60}\d)[A-Za-z0-9+/]{16,}={0,2})"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,}|[?&]sig=([A-Za-z0-9%+/]{40,})"
    r"|:_authToken=\s*((?:npm_)?[\w-]{30,})"
    r"|[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}|\bnpm_[A-Za-z0-9]{36}\b"
    r"|\b[sr]k_test_(?=\w{0,30}\d)[A-Za-z0-9]{24,}|\bwhsec_[A-Za-z0-9+/]{32,}"
    r"|\bgl(?:rt|dt|ptt|ft|soat)-[\w-]{20,}|\bxapp-\d-[A-Z0-9]{8,}-\d{8,}-[a-z0-9]{30,}"
    r"|\bGOCSPX-[\w-]{28}|\bya29\.[\w-]{40,}|\bdo[opr]_v1_[0-9a-f]{64}|\bshp(?:at|ca|pa|ss)_[0-9a-f]{32}"
    r"|\bdapi[0-9a-f]{32}|\bgsk_[A-Za-z0-9]{48,}|\br8_[A-Za-z0-9]{37}|\bxai-[A-Za-z0-9]{60,}"
    r"|\bpplx-[A-Za-z0-9]{40,}|\blin_api_[A-Za-z0-9]{40}|\bntn_[A-Za-z0-9]{40,}|\bhvs\.[\w-]{24,}"
    r"|\bdckr_pat_[\w-]{27}|\bATATT3[\w=-]{60,}|\bnvapi-[\w-]{40,}|\bAGE-SECRET-KEY-1[A-Z0-9]{58}"
)
_PLUGINS = (
    "artifactory.ArtifactoryDetector", "aws.AWSKeyDetector",
    "azure_storage_key.AzureStorageKeyDetector", "basic_auth.BasicAuthDetector",
    "discord.DiscordBotTokenDetector", "github_token.GitHubTokenDetector",
    "gitlab_token.GitLabTokenDetector", "jwt.JwtTokenDetector", "mailchimp.MailchimpDetector",
    "openai.OpenAIDetector", "pypi_token.PypiTokenDetector",
    "sendgrid.SendGridDetector", "slack.SlackDetector", "square_oauth.SquareOAuthDetector",
    "stripe.StripeDetector", "telegram_token.TelegramBotTokenDetector",
    "twilio.TwilioKeyDetector",
)  # fmt: skip
# Those whose patterns have a group for the secret; the groups of the others are parts of it.
_GROUPED = ("AWSKeyDetector", "BasicAuthDetector")
_BEGINS = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----")
_CLOSES = re.compile(r"-----END[^-]{0,60}-----")
# A key whose end is missing goes as far as its lines do.
_LINES = re.compile(r"(?:(?:\s|\\+[nr])*[A-Za-z0-9+/=]{16,})*")
_LONGEST_KEY = 40_000
# What sticks to a secret is part of it: patterns know the shortest form, and keys have grown.
_STICKS = re.compile(r"(?:[\w-]|[.+/=~%](?=[\w-]{4}))*=*")
# A value ends with its quote, and one without quotes where prose, a URL or code goes on.
_QUOTED = re.compile(r"[^\"'\\\n]{0,400}(?=\\?[\"'])")
_BARE = re.compile(r"[^\s\"'\\,;&<>(){}\[\]]*")
# What patterns match around a secret that is none of it, and what none goes beyond.
_AROUND = " \t\r\n=:\"'"
_ENDS = re.compile(r"[\s\"'\\]")

KINDS = (
    Kind(
        "secret.key",
        "error",
        "{count} rows hold keys, tokens or passwords: a model can be made to say them",
        "revoke them, and replace them: --fix redact=secret, or remove the rows: "
        "--fix drop=secret.key",
        ("redact=secret", "drop=secret.key"),
    ),
)


@lru_cache(maxsize=1)
def _detectors() -> list[Any]:
    from importlib import import_module

    made = []
    for named in _PLUGINS:
        module, _, name = named.partition(".")
        made.append(getattr(import_module(f"detect_secrets.plugins.{module}"), name)())
    return made


def spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each secret of a text, in order."""
    if not _may_hold(text, text.lower()):
        return []
    found = sorted({*_found(text)})
    kept: list[tuple[int, int]] = []
    for start, end in found:
        if kept and start < kept[-1][1]:
            kept[-1] = kept[-1][0], max(end, kept[-1][1])
        else:
            kept.append((start, end))
    return kept


def _found(text: str) -> Iterator[tuple[int, int]]:
    yield from _private_keys(text)
    past = 0
    for m in _OWN.finditer(text):
        if m.start() < past:
            continue
        group = m.lastindex or 0
        past = _end_of_value(text, *m.span(group)) if group else _end(text, m.end())
        yield m.start(group), past
    # detect-secrets reads lines, and a line of megabytes is data of another kind.
    start = 0
    for line in text.splitlines(keepends=True):
        if len(line) < 100_000 and _may_hold(line, line.lower()):
            for at, end in _detected(line):
                yield start + at, start + end
        start += len(line)


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    past = 0
    closes = _CLOSES.search(text)
    for m in _BEGINS.finditer(text):
        if m.start() < past:
            continue
        while closes is not None and closes.start() < m.end():
            closes = _CLOSES.search(text, closes.end())
        if closes is not None and closes.start() - m.end() <= _LONGEST_KEY:
            past = closes.end()
        else:
            lines = _LINES.match(text, m.end())
            past = lines.end() if lines else m.end()
        yield m.start(), past


def _detected(line: str) -> Iterator[tuple[int, int]]:
    """What the patterns of detect-secrets find. They are run here, as it gives texts and no places,
    and of several groups each: of `(ghp|gho)_…` the first four letters."""
    for detector in _detectors():
        grouped = type(detector).__name__ in _GROUPED
        valid = getattr(detector, "is_formally_valid", None)
        for pattern in detector.denylist:
            past = 0
            for m in pattern.finditer(line):
                if m.start() < past or (valid is not None and not valid(m[0])):
                    continue
                at, end = m.span(1 if grouped and pattern.groups else 0)
                at += line.startswith("AccountKey=", at) and len("AccountKey=")
                while at < end and line[at] in _AROUND:
                    at += 1
                cut = _ENDS.search(line, at, end)
                past = cut.start() if cut else _end_of_match(line, end)
                if at < past and not _is_blank(line[at:past], line[max(0, at - 80) : at]):
                    yield at, past


def _end_of_match(text: str, end: int) -> int:
    # The password of a login ends where the host begins.
    return end if text[end : end + 1] == "@" else _end(text, end)


def _end(text: str, end: int) -> int:
    """Where a secret ends of which a pattern knows that it goes up to `end` at least."""
    found = _STICKS.match(text, end)
    return found.end() if found else end


def _end_of_value(text: str, start: int, end: int) -> int:
    """Where the value of an assignment ends: passwords hold signs that no pattern lists."""
    if text[max(0, start - 4) : start] == "://:":
        return end
    if text[start - 1 : start] in ('"', "'"):
        quoted = _QUOTED.match(text, end)
        if quoted:
            return quoted.end()
    bare = _BARE.match(text, end)
    stop = bare.end() if bare else end
    while stop > end and text[stop - 1] in ".:":
        stop -= 1
    return stop


# What documentation writes where a login belongs, and a variable that is filled in later.
_BLANKS = re.compile(
    r"(?:(?:my|your|the|some|db|user|new|old)?[-_ ]?(?:pass|password|passwd|pwd|pw|secret|token"
    r"|api[-_]?key|key)\d{0,3}|[x*.•]{2,}|[<{\[$%].*|changeme|hunter2|1234\d*)\Z",
    re.IGNORECASE,
)


def _is_blank(secret: str, before: str) -> bool:
    """Whether a login of a URL is one that documentation writes."""
    return before.endswith(":") and "://" in before and bool(_BLANKS.match(secret))


def look(rows: Sequence[Looked], hits: Hits, options: Options) -> None:
    for row in rows:
        text = row.every_text
        if not _may_hold(text, row.low if text is row.text else text.lower()):
            continue
        for field, text in row.every_field:
            found = spans(text)
            if found:
                start, end = found[0]
                # Shown only as far as it takes to find it again.
                hidden = text[start : start + 4] + "…" if end - start > 12 else "…"
                before = around(text[:start], max(0, start - 1), start)[:30]
                hits.add(
                    "secret.key", row.number, row.field_of(field, text[start:end]), before + hidden
                )
                break


FAMILY = Family("secrets", "keys, tokens, passwords", KINDS, look)
