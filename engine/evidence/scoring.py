"""What kind of answers rows have, and how near an answer is to the wanted one, row by row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tunewright.engine.data.alike import words_of
from tunewright.engine.evidence.result import AnswerForm
from tunewright.engine.prove.score import parse_object, score_answers

# The metric that decides for each kind of answer, and whether it is a share of right answers.
PRIMARY: dict[AnswerForm, str] = {
    "json": "exact",
    "labels": "accuracy",
    "fact": "contained",
    "short": "exact",
    "text": "chrf",
}
NAMES = {
    "exact": "exact match",
    "accuracy": "label accuracy",
    "contained": "fact match",
    "valid": "valid JSON",
    "f1": "field F1",
    "word_f1": "word F1",
    "rouge_l": "ROUGE-L",
    "chrf": "chrF",
}
# Figures that are a share of right answers, each answer right or not.
YES_OR_NO = ("exact", "accuracy", "contained")
_FROM_DOCUMENTS = 0.8
_MOST_LOOKED_UP = 400
_MOST_LABELS = 30
_LABEL_WORDS = 6
_SHORT_BYTES = 120
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


def form_of(answers: Sequence[str]) -> AnswerForm:
    """JSON objects (95 % of them), labels (few, short, each several times), short answers, or text.

    Raises ValueError without answers.
    """
    if not answers:
        raise ValueError("no answers")
    if sum(parse_object(answer) is not None for answer in answers) >= 0.95 * len(answers):
        return "json"
    distinct = Counter(normal(answer) for answer in answers)
    few = len(distinct) <= min(_MOST_LABELS, len(answers) // 4)
    if few and all(len(label.split()) <= _LABEL_WORDS for label in distinct):
        return "labels"
    sizes = sorted(len(answer.encode("utf-8", "surrogatepass")) for answer in answers)
    return "short" if sizes[int(0.95 * (len(sizes) - 1))] <= _SHORT_BYTES else "text"


def are_facts(asks: Sequence[str], answers: Sequence[str], documents: Sequence[str]) -> bool:
    """Whether most short answers are facts to look up: they stand word for word in a document, and
    not in their own question. `documents` are passages; a sample of the rows is looked at."""
    step = max(1, len(answers) // _MOST_LOOKED_UP)
    rows = list(zip(asks, answers, strict=True))[::step]
    text = "\n".join(" ".join(words_of(passage)) for passage in documents)
    found = sum(_said(text, answer) and not holds(asked, answer) for asked, answer in rows)
    return bool(rows) and found >= _FROM_DOCUMENTS * len(rows)


def holds(text: str, fact: str) -> bool:
    """Whether a text says a fact word for word, whatever stands around it; case and marks aside."""
    return _said(" ".join(words_of(text)), fact)


def _said(words: str, fact: str) -> bool:
    wanted = " ".join(words_of(fact))
    if not wanted:
        return False
    # Scripts without case (Chinese, Thai) put no spaces between words: any place will do.
    before = r"(?<!\w)" if _parted(wanted[0]) else ""
    after = r"(?!\w)" if _parted(wanted[-1]) else ""
    return re.search(before + re.escape(wanted) + after, words) is not None


def _parted(letter: str) -> bool:
    return letter.isdigit() or letter.lower() != letter.upper()


def normal(text: str) -> str:
    """An answer without what does not make it another one: case, white space, marks around it."""
    return _EDGES.sub("", " ".join(text.casefold().split()))


def score(
    wants: Sequence[str], gots: Sequence[str], form: AnswerForm
) -> dict[str, tuple[float, ...]]:
    """Scores in 0..1 by metric, one entry a row.

    "json": strict validity, equality and field F1 of `prove.score`. "labels" and "short": equal
    after `normal`; for "short" word F1 besides. "fact": the first line of the answer holds the
    reference answer word for word, in a sentence or alone, as open-domain question answering is
    scored (Mallen et al. 2023, arXiv:2212.10511; Liu et al. 2023, arXiv:2307.03172); equality and
    word F1 besides. "text": chrF (sacrebleu; Popović 2015) and ROUGE-L
    F (rouge-score; Lin 2004), over words of any script.
    """
    if form == "json":
        found = score_answers(wants, gots, "json")
        return {"exact": _floats(found.exact), "f1": found.f1, "valid": _floats(found.valid)}
    pairs = list(zip(wants, gots, strict=True))
    equal = tuple(float(normal(want) == normal(got)) for want, got in pairs)
    if form == "labels":
        return {"accuracy": equal}
    words = score_answers([normal(w) for w in wants], [normal(g) for g in gots], "short")
    if form == "short":
        return {"exact": equal, "word_f1": words.f1}
    if form == "fact":
        lines = [(got.strip().splitlines() or [""])[0] for got in gots]
        held = tuple(float(holds(line, w)) for w, line in zip(wants, lines, strict=True))
        return {"contained": held, "exact": equal, "word_f1": words.f1}
    return {"chrf": _chrf(pairs), "rouge_l": _rouge_l(pairs), "word_f1": words.f1}


def _floats(values: Sequence[int]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _chrf(pairs: Sequence[tuple[str, str]]) -> tuple[float, ...]:
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    return tuple(
        min(1.0, metric.sentence_score(got, [want]).score / 100) if want.strip() else 0.0
        for want, got in pairs
    )


def _rouge_l(pairs: Sequence[tuple[str, str]]) -> tuple[float, ...]:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    return tuple(scorer.score(want, got)["rougeL"].fmeasure for want, got in pairs)


class _Words:
    """The library's own tokenizer keeps a to z alone: other scripts would score nothing."""

    def tokenize(self, text: str) -> list[str]:
        return re.findall(r"\w+", text.casefold())
