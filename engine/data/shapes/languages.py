"""Codes and names of languages, as columns and keys bear them."""

from __future__ import annotations

import re

# ISO 639-1.
_TWO = frozenset(
    """aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr
    ht hu hy hz ia id ie ig ii ik io is it iu iw ja jv ka kg ki kj kk kl km kn ko kr ks ku
    kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
    no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl
    sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve
    vi vo wa wo xh yi yo za zh zu""".split()
)
# ISO 639-2, of languages that much is translated from or to.
_THREE = frozenset(
    """afr alb sqi amh ara arm hye asm aze baq eus bel ben bos bre bul bur mya cat ces cze chi zho
    cmn cos cym wel dan deu ger div dut nld ell gre eng epo est fao fas per fij fil fin fra
    fre fry gla gle glg grn guj hat hau heb hin hrv hun ibo ice isl ind ita jav jpn kan kat
    geo kaz khm kin kir kor kur lao lat lav lim lin lit ltz lug mac mkd mal mar mri mao mlg
    mlt mon msa may nep nno nob nor nya oci ori orm pan pol por pus que roh ron rum run rus
    sag san sin slk slo slv smo sna snd som sot spa srd srp ssw sun swa swe tah tam tat tel
    tgk tgl tha tib bod tir ton tsn tso tuk tur twi uig ukr urd uzb ven vie wol xho yid yor
    yue zul ceb""".split()
)
# Of these some are what columns are called for other reasons: one of them alone tells nothing.
_UNCLEAR = frozenset(
    """as be ch co he hi id io is la me mi ml my na ne no nr om or os pa pi ps se si so st tn to ts
    ve am cat cos div est fin geo her ind lat lit mac mal mar may mon nob per ron run sin
    sun tel ton pan""".split()
)
_NAMES = re.compile(
    r"(?i:english|german|french|spanish|italian|portuguese|dutch|polish|russian|ukrainian|czech"
    r"|turkish|arabic|hebrew|persian|hindi|bengali|urdu|tamil|chinese|japanese|korean|vietnamese"
    r"|thai|indonesian|swahili|greek|swedish|finnish|norwegian|danish|hungarian|romanian|bulgarian"
    r"|catalan)"
)
# A script says that the letters before it are a language: eng_Latn, zh-Hans.
_WITH_PLACE = re.compile(r"([a-z]{2,3})[-_](?:[A-Z]{2}|[a-z]{2}|([A-Z][a-z]{3}))")
_ANY = re.compile(r"[a-z]{2,3}")
# Words of two or three letters that name no language, and stand beside languages.
_NO_CODE = frozenset("id url uid idx key raw src tgt gpt bot sql cot tag".split())


def is_language(name: str) -> bool:
    """Whether a column bears the code or the name of a language."""
    if name in _NO_CODE:
        return False
    placed = _WITH_PLACE.fullmatch(name)
    if placed is not None and placed[2]:
        return True
    code = name if placed is None else placed[1]
    return code in _TWO or code in _THREE or _NAMES.fullmatch(name) is not None


def is_clear(name: str) -> bool:
    """Whether a column that bears a language's code can hardly be something else."""
    return is_language(name) and name not in _UNCLEAR


def may_be_code(name: str) -> bool:
    """Whether a key could be a code, among keys that are said to be languages: of those there are
    thousands."""
    return is_language(name) or (_ANY.fullmatch(name) is not None and name not in _NO_CODE)
