"""Keys and personal data in the forms that they really have are found; what looks like them is not.

The keys are made here, from a seed: none of them opens anything, and none stands in this file.
"""

from __future__ import annotations

import json
import random
import string

import pytest

from tunewright.engine.data.checks import pii, secrets
from tunewright.engine.data.fixes.redact import redacted

_RANDOM = random.Random(7)
_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits
_DIGITS = string.digits


_MADE: list[str] = []


def made(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    """Letters, with a digit among them, as chance gives in all but very short ones."""
    text = "".join(_RANDOM.choice(letters) for _ in range(length - 1))
    _MADE.append(text[: length // 2] + "7" + text[length // 2 :])
    return _MADE[-1]


def uuid() -> str:
    return "-".join(made(n, _HEX) for n in (8, 4, 4, 4, 12))


SECRETS = {
    "AWS id": "AKIA" + made(16, _UPPER),
    "AWS secret": "aws_secret_access_key = " + made(40),
    "GitHub": "ghp_" + made(36),
    "GitHub app": "ghs_" + made(36),
    "GitHub fine-grained": f"github_pat_{made(22)}_{made(59)}",
    "GitLab": "glpat-" + made(20),
    "GitLab runner": "glrt-" + made(20),
    "Slack bot": f"xoxb-{made(12, _DIGITS)}-{made(12, _DIGITS)}-{made(24)}",
    "Slack app": f"xapp-1-A{made(10, _UPPER)}-{made(13, _DIGITS)}-{made(64, _HEX)}",
    "Slack hook": "https://hooks.slack.com/services/"
    + "/".join(("T" + made(8, _UPPER), "B" + made(8, _UPPER), made(24))),
    "Stripe": "sk_live_" + made(24),
    "Stripe restricted": "rk_live_" + made(24),
    "Stripe test": "sk_test_" + made(24),
    "Stripe hook": "whsec_" + made(32),
    "OpenAI": f"sk-{made(20)}T3BlbkFJ{made(20)}",
    "OpenAI project": "sk-proj-" + made(48),
    "Anthropic": f"sk-ant-api03-{made(80)}-{made(10)}AA",
    "Hugging Face": "hf_" + made(34),
    "Google": "AIza" + made(35),
    "Google OAuth": "GOCSPX-" + made(28),
    "Google access": "ya29." + made(60),
    "Google service account": '"private_key": "-----BEGIN PRIVATE KEY-----\\n' + made(60) + '\\n"',
    "Azure storage": f"AccountKey={made(86)}==",
    "Azure SAS": f"https://x.blob.core.windows.net/c?sv=2022-11-02&ss=b&sig={made(43)}%3D",
    "Azure client": f"client_secret: {made(3)}8Q~{made(34)}",
    "JWT": f"eyJ{made(33)}.eyJ{made(60)}.{made(43)}",
    "RSA key": f"-----BEGIN RSA PRIVATE KEY-----\n{made(64)}\n-----END RSA PRIVATE KEY-----",
    "OpenSSH key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----",
    "PGP key": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----",
    ".npmrc": f"//registry.example.com/:_authToken=npm_{made(36)}",
    ".npmrc of old": f"//registry.example.com/:_authToken={uuid()}",
    "npm": "npm_" + made(36),
    "Postgres": f"postgres://svc:{made(12)}@db.corp.example:5432/app",
    "MySQL": f"mysql+pymysql://root:{made(12)}@10.0.0.4/x",
    "Mongo": f"mongodb+srv://u:{made(14)}@cluster0.corp.example",
    "Redis": f"redis://:{made(20)}@cache.corp.example:6379/0",
    "a login in a URL": f"https://bob:{made(12)}@git.corp.example/x.git",
    "bearer": "Authorization: Bearer " + made(40),
    "basic": f"Authorization: Basic {made(32)}==",
    "password": f'password = "{made(18)}"',
    "short password": "DB_PASSWORD=aB" + made(10, string.ascii_lowercase) + "Z9x",
    "secret key": f'SECRET_KEY="{made(50)}"',
    "key in YAML": "api_key: " + made(32, _HEX),
    "SendGrid": f"SG.{made(22)}.{made(43)}",
    "Twilio": "SK" + made(32, _HEX),
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + made(100),
    "DigitalOcean": "dop_v1_" + made(64, _HEX),
    "Databricks": "dapi" + made(32, _HEX),
    "Groq": "gsk_" + made(52),
    "Replicate": "r8_" + made(37),
    "Vault": "hvs." + made(90),
    "Docker": "dckr_pat_" + made(27),
    "NVIDIA": "nvapi-" + made(64),
}

PERSONAL = {
    "card": ("4111 1111 1111 1111", "card"),
    "card without spaces": ("5555555555554444", "card"),
    "Amex": ("3782-822463-10005", "card"),
    "IBAN of Germany": ("DE89 3704 0044 0532 0130 00", "iban"),
    "IBAN of Britain": ("GB82WEST12345698765432", "iban"),
    "SSN": ("536-22-8726", "national-id"),
    "SSN by its name": ("SSN: 536228726", "national-id"),
    "NINO": ("AB123456C", "national-id"),
    "DNI": ("12345678Z", "national-id"),
    "NIE": ("X1234567L", "national-id"),
    "INSEE": ("1 84 12 76 451 089 46", "national-id"),
    "codice fiscale": ("RSSMRA85T10A562S", "national-id"),
    "CPF": ("529.982.247-25", "national-id"),
    "CPF by its name": ("CPF 52998224725", "national-id"),
    "Aadhaar": ("2341 2341 2346", "national-id"),
    "PESEL": ("PESEL: 44051401359", "national-id"),
    "BSN": ("BSN 111222333", "national-id"),
    "PAN": ("PAN is ABCPE1234F", "national-id"),
    "Steuer-ID": ("Steuer-ID 86 095 742 719", "national-id"),
    "SIN": ("SIN 046 454 286", "national-id"),
    "TFN": ("TFN 123 456 782", "national-id"),
    "NRIC": ("S1234567D", "national-id"),
    "CURP": ("HEGG560427MVZRRL04", "national-id"),
    "China": ("11010519491231002X", "national-id"),
    "AHV": ("756.9217.0769.85", "national-id"),
    "passport": ("passport number AB1234567", "national-id"),
    "phone, US": ("(212) 555-0187", "phone"),
    "phone, US, dots": ("415.867.5309", "phone"),
    "phone, international": ("+1 415 867 5309", "phone"),
    "phone, run together": ("+4915112345678", "phone"),
    "phone, Germany": ("+49 30 901820", "phone"),
    "phone, Germany, at home": ("030 / 901820", "phone"),
    "phone, Britain": ("020 7946 0958", "phone"),
    "phone, Britain, mobile": ("07911 123456", "phone"),
    "phone, France": ("01 42 68 53 00", "phone"),
    "phone, India": ("+91 98765 43210", "phone"),
    "phone, Japan": ("+81 3-1234-5678", "phone"),
    "phone, Brazil": ("+55 11 98765-4321", "phone"),
    "phone, Brazil, at home": ("(11) 98765-4321", "phone"),
    "phone, China": ("+86 138 0013 8000", "phone"),
    "phone, Australia": ("+61 2 9374 4000", "phone"),
    "IPv4": ("81.2.69.160", "ip"),
    "IPv6": ("2a00:1450:4001::200e", "ip"),
    "e-mail": ("jane.roe+x@sub.acme-corp.co.uk", "email"),
    "e-mail, hidden": ("jane.roe (at) acme (dot) org", "email"),
    "address": ("1600 Pennsylvania Avenue", "address"),
    "address, Germany": ("Hauptstraße 12", "address"),
}

HARMLESS = [
    "version 1.2.3.4 is out, build 19H2, v10.15.7",
    "order 4500123456 shipped, order no. 2024-001-4567, case 19-123-4567",
    f"UUID {uuid()}, commit {made(40, _HEX)}, sha256 {made(64, _HEX)}",
    "md5 d41d8cd98f00b204e9800998ecf8427e",
    "ISBN 978-3-16-148410-0, ISBN-10 0-306-40615-2, ISSN 2049-3630, EAN 4006381333931",
    "2024-01-15 10:20:30, 12/25/2024 at 5, 1700000000, 1700000000000 ms, UTC+01:00",
    "1,234,567.89 and 3.14159265358979, 52.520008, 13.404954",
    "tracking 1Z999AA10123456784, DHL 00340434161094042557, SKU SK12345, SKU 123-45-6789-X",
    "RFC 2616, section 14.35, chapter 4.5.6.7, DOI 10.1038/s41586-020-2649-2, CVE-2021-44228",
    "localhost:8080, 127.0.0.1, 0.0.0.0, 255.255.255.0",
    "12:34:56:78, ratio 16:9:4:3:2:1:1, a::b, std::vector<int>::iterator",
    "2010 2011 2012 2013 2014 and 8 16 32 64 128 256 512, room 101-202-303",
    "the key is patience, a skin token, sk-learn, Bearer of bad news, Basic Instructions 1",
    'password: your password here; api_key=YOUR_API_KEY; password="Password123"',
    'token = tokenizer.encode(text); self.secret_key = os.environ["SECRET_KEY"]',
    "Authorization: Bearer <token>, Authorization: Bearer $TOKEN, Authorization: Basic <x>",
    "postgres://user:password@localhost/db, git@github.com:a/b.git, user@host:~$",
    "@dataclass(frozen=True), look at this (at noon), meet [at] six",
    f"integrity sha512-{made(86)}==, 0x{made(40, _HEX)}, rgb(255, 255, 255)",
    "the pan is hot: 12345678 calories, a sin 123 times, passport control, BSN 123456789",
    "07/2024 and 0800 / 12, page 123-145, Qwen2.5-7B-Instruct, GPT-4-0613",
]


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_secrets_are_found(text: str) -> None:
    assert secrets.spans(f"here it is: {text} and that was it")


def left_of(text: str, clear: str) -> list[str]:
    """The pieces of eight characters of the secrets of `text` that are in `clear`."""
    secret = [piece for piece in _MADE if piece in text]
    return [
        piece[at : at + 8]
        for piece in secret
        for at in range(len(piece) - 7)
        if piece[at : at + 8] in clear
    ]


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_nothing_of_a_secret_is_left(text: str) -> None:
    places = (
        f"use {text}.",
        f"{text} and again {text}, then {text}",
        f"TOKEN={text}\n(https://host.example/?q=1 {text})",
    )
    for place in places:
        assert left_of(text, redacted(place, {"secret"})[0]) == []


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_json_with_a_secret_is_still_json(text: str) -> None:
    for indent in (None, 1):
        for name in ("api_key", "note", "access_token", "url"):
            whole = json.dumps({name: text, "to": "Bob", "n": 1}, indent=indent)
            clear = redacted(whole, {"secret"})[0]
            assert left_of(text, clear) == []
            value = json.loads(clear)
            assert (value["to"], value["n"], name in value) == ("Bob", 1, True)


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("https://ghp_{36}@github.com/a", "https://[SECRET]@github.com/a"),
        ("GITHUB_TOKEN=gho_{36}", "GITHUB_TOKEN=[SECRET]"),
        ("gho_{80} is longer", "[SECRET] is longer"),
        ("glpat-{20}, glrt-{20}", "[SECRET], [SECRET]"),
        ("sk_live_{99};", "[SECRET];"),
        ("a://u:{12}@h/x b://v:{12}@i/y", "a://u:[SECRET]@h/x b://v:[SECRET]@i/y"),
        (
            '{"access_token": "eyJ{30}.eyJ{40}.{43}", "n": 1}',
            '{"access_token": "[SECRET]", "n": 1}',
        ),
        ('API_KEY="{20}.{20}.{9}"', 'API_KEY="[SECRET]"'),
        ("api_key: {32}.", "api_key: [SECRET]."),
        ('{"password": "{16}@&*^{8}"}', '{"password": "[SECRET]"}'),
        ("password={16}&user=bob", "password=[SECRET]&user=bob"),
        ('\\"client_secret\\": \\"{32}\\"', '\\"client_secret\\": \\"[SECRET]\\"'),
        ("-----BEGIN PRIVATE KEY-----\n{64}\n{64}\nthe end", "[SECRET]\nthe end"),
    ],
)
def test_a_secret_is_replaced_as_a_whole_and_nothing_else(text: str, clear: str) -> None:
    for length in (8, 9, 12, 16, 20, 30, 32, 36, 40, 43, 64, 80, 99):
        while f"{{{length}}}" in text:
            text = text.replace(f"{{{length}}}", made(length), 1)
    assert redacted(text, {"secret"})[0] == clear


@pytest.mark.parametrize(("text", "kind"), PERSONAL.values(), ids=PERSONAL.keys())
def test_personal_data_is_found_as_what_it_is(text: str, kind: str) -> None:
    found = pii.spans(f"the data: {text} , that was it")
    assert [span.name for span in found] == [kind]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert [text[s.start : s.end] for s in pii.spans(text) if s.name != "example"] == []
    assert [text[start:end] for start, end in secrets.spans(text)] == []
