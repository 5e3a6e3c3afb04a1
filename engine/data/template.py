"""Chat templates without transformers: the same sandbox, options and names, a tenth of a second.

A template comes with a model and is untrusted: it runs in Jinja's immutable sandbox, and what it
renders is bounded. Behaviour follows transformers 5 (`utils/chat_template_utils.py`), and a test
compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.hardware.errors import Problem

# A template that loops must not fill the memory; the longest context is far below this.
MOST_CHARACTERS = 200_000_000


class Template:
    """One compiled chat template. `special_tokens` are the names a template may use."""

    def __init__(self, source: str, special_tokens: dict[str, str]) -> None:
        import jinja2

        self.source = source
        self._special = special_tokens
        try:
            self._template = _environment().from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise Problem(
                "the model's chat template does not compile",
                why=f"line {error.lineno}: {error.message}",
                cure="repair chat_template.jinja in the model folder, or take another model folder",
            ) from error

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """The conversation as the model reads it; a `Problem` when the template refuses it."""
        import jinja2

        turns = [{"role": m.role, "content": m.content} for m in messages]
        parts: list[str] = []
        length = 0
        try:
            for part in self._template.generate(
                messages=turns, add_generation_prompt=add_generation_prompt, **self._special
            ):
                parts.append(part)
                length += len(part)
                if length > MOST_CHARACTERS:
                    raise jinja2.TemplateError(f"it rendered over {MOST_CHARACTERS:,} characters")
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            raise Problem(
                "the model's chat template refuses a conversation",
                why=f"{error}; the roles were: {', '.join(m.role for m in messages[:8])}",
                cure="some templates take no system turn: put its text into the first user turn",
            ) from error
        return "".join(parts)


def _environment() -> Any:
    from datetime import datetime

    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        """`{% generation %}` marks are accepted and change nothing: masks come from prefixes."""

        tags = {"generation"}  # noqa: RUF012 - Jinja reads it as a class attribute

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

        def _same(self, caller: Callable[[], str]) -> str:
            return caller()

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment
