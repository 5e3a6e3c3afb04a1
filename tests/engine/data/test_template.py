"""Templates render as in transformers, and a hostile one ends in a problem, not in a crash."""

from __future__ import annotations

from datetime import date

import pytest

from tunewright.engine.data.example import Message
from tunewright.engine.data.template import Template
from tunewright.hardware.errors import Problem

TURNS = (
    Message("system", "Be brief."),
    Message("user", 'What is <b>"this"</b> & that? ü'),
    Message("assistant", " An answer.\n"),
)
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

# Each uses something that a plain Jinja environment has not, or has otherwise.
TRICKY = {
    "tools are none, not undefined": "{% if tools is not none %}TOOLS{% endif %}{{ documents }}",
    "unescaped json": "{{ messages | tojson }}",
    "json with positional options": "{{ messages | tojson(True, 2) }}",
    "blocks are trimmed": "{% for m in messages %}\n    {% if m.role == 'user' %}\n"
    "  {{ m.content }}\n    {% endif %}\n{% endfor %}\n",
    "loop controls": "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}"
    "{{ m.role }}{% endfor %}",
    "namespaces": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
    "{% endfor %}{{ ns.n }}",
    "dicts": "{{ dict(a=1, **{'b': 2}) | tojson }}{{ dict.fromkeys('ab') | tojson }}",
    "generation marks": "{% for m in messages %}{% generation %}{{ m.content }}"
    "{% endgeneration %}{% endfor %}",
    "special tokens": "{{ bos_token }}{{ eos_token }}{{ pad_token }}",
    "repeated text": "{{ '-' * 20 }}{{ 2 ** 8 }}",
    "macros": "{% macro turn(m) -%} [{{ m.role | upper }}] {%- endmacro %}"
    "{{ turn(messages[0]) }}{{ messages[1:] | length }}",
}


@pytest.mark.parametrize("source", TRICKY.values(), ids=TRICKY.keys())
@pytest.mark.parametrize("asks", [False, True])
def test_text_is_that_of_transformers(source: str, asks: bool) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    source += "{% if add_generation_prompt %}>{% endif %}"
    turns = [{"role": m.role, "content": m.content} for m in TURNS]
    (theirs,), _ = render_jinja_template(
        [turns], chat_template=source, add_generation_prompt=asks, **SPECIAL
    )
    assert Template(source, SPECIAL).render(TURNS, add_generation_prompt=asks) == theirs


HOSTILE = {
    "memory by repetition": "{{ 'a' * 99999999999 }}",
    "memory by nested lists": "{{ [[0] * 99999] * 99999 | list * 99999999 }}",
    "memory by powers": "{{ 9 ** (9 ** 10) }}",
    "memory by width": "{{ '%999999999999d' % 1 }}",
    "endless recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "long loops": "{% for i in range(10 ** 9) %}{% endfor %}",
    "division by zero": "{{ 1 / 0 }}",
    "Python's classes": "{{ ''.__class__.__mro__ }}",
    "Python's classes by format": "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "names of a namespace": "{% set ns = namespace() %}{{ namespace(__class__=1) }}",
    "changed input": "{{ messages.append(1) }}",
    "wrong types": "{{ ''.join(messages) }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_is_a_problem_at_once(source: str) -> None:
    with pytest.raises(Problem, match="refuses a conversation"):
        Template(source, {}).render(TURNS, add_generation_prompt=False)


def test_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunewright.engine.data.template.MOST_CHARACTERS", 1000)
    long = "{% for i in range(100) %}{{ messages[1].content }}{% endfor %}"
    with pytest.raises(Problem, match="refuses"):
        Template(long, {}).render(TURNS, add_generation_prompt=False)


def test_a_template_that_asks_for_the_day_is_told_the_given_one() -> None:
    asking = Template("{{ strftime_now('%d %b %Y') }}", SPECIAL, date(2024, 7, 26))
    assert asking.asks_for_the_day
    assert asking.render(TURNS, add_generation_prompt=False) == "26 Jul 2024"
    assert not Template("{{ messages | length }}", SPECIAL).asks_for_the_day
