"""Chat templates without transformers: the same sandbox, options and names, a tenth of a second.

A template comes with a model and is untrusted: it runs in Jinja's immutable sandbox, and what it
builds and renders is bounded. Behaviour follows transformers 5 (`utils/chat_template_utils.py`),
and a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.hardware.errors import Problem

# A template that loops must not fill the memory; the longest context is far below this.
MOST_CHARACTERS = 200_000_000

# Attributes of types that are remembered as safe or not.
_MOST_ATTRIBUTES = 1000

# What code inside a template can raise besides Jinja's own errors: it is a program of a stranger.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class Template:
    """One compiled chat template. `special_tokens` are the names a template may use; `day` is the
    one that it is told when it asks, today without one."""

    def __init__(
        self, source: str, special_tokens: dict[str, str], day: date | None = None
    ) -> None:
        import jinja2

        self.source = source
        try:
            self._template = _environment(day).from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise Problem(
                "the model's chat template does not compile",
                why=f"line {error.lineno}: {error.message}",
                cure="repair chat_template.jinja in the model folder, or take another model folder",
            ) from error
        self._known = {**self._template.globals, **special_tokens}

    @property
    def asks_for_the_day(self) -> bool:
        return "strftime_now" in self.source

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool,
        tools: Sequence[dict[str, Any]] = (),
    ) -> str:
        """The conversation as the model reads it; a `Problem` when the template refuses it."""
        import jinja2

        parts: list[str] = []
        length = 0
        given = {
            **self._known,
            # None, as transformers passes: to a template "not given" is another thing.
            "messages": [message.turn() for message in messages],
            "tools": list(tools) or None,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
        }
        try:
            # What `generate` does, with the names that never change put together once.
            context = self._template.new_context(given, shared=True)
            for part in self._template.root_render_func(context):
                parts.append(part)
                length += len(part)
                if length > MOST_CHARACTERS:
                    raise jinja2.TemplateError(f"it rendered over {MOST_CHARACTERS:,} characters")
        except (jinja2.TemplateError, *_FAULTS) as error:
            said = str(error) or type(error).__name__
            raise Problem(
                "the model's chat template refuses a conversation",
                why=f"{said}; the roles were: {', '.join(m.role for m in messages[:8])}",
                cure="some templates take no system turn: put its text into the first user turn",
            ) from error
        return "".join(parts)


def _environment(day: date | None) -> Any:
    import jinja2
    import jinja2.ext
    import jinja2.utils
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

    safe: dict[tuple[type, str], bool] = {}

    class Bounded(ImmutableSandboxedEnvironment):
        """The sandbox limits ranges but not `'a' * 10**10`, which is memory before it is output."""

        intercepted_binops = frozenset({"*", "**"})

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            """What the sandbox says of a type's attribute, asked once: loops ask at every turn."""
            known = safe.get((type(obj), attr))
            if known is None:
                known = super().is_safe_attribute(obj, attr, value)
                if len(safe) < _MOST_ATTRIBUTES:
                    safe[type(obj), attr] = known
            return known

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "*":
                for text, times in ((left, right), (right, left)):
                    if hasattr(text, "__len__") and isinstance(times, int):
                        _bound(len(text) * times)
            elif isinstance(left, int) and isinstance(right, int):
                _bound(left.bit_length() * right)
            return super().call_binop(context, operator, left, right)

    def _bound(size: int) -> None:
        if size > MOST_CHARACTERS:
            raise jinja2.TemplateError(f"it builds a value of {size:,} parts")

    class Namespace(jinja2.utils.Namespace):
        """No names with a leading underscore: they would reach into Python's own."""

        def __init__(*args: Any, **kwargs: Any) -> None:
            # Jinja's own signature: a template may say namespace(self=...).
            jinja2.utils.Namespace.__init__(args[0])
            for name, value in dict(*args[1:], **kwargs).items():
                args[0][name] = value

        def __setitem__(self, name: str, value: Any) -> None:
            if str(name).startswith("_"):
                raise jinja2.TemplateError(f"a namespace has no name like {name!r}")
            super().__setitem__(name, value)

    class Dict:
        """`dict(a=1)` and `dict.fromkeys`, without the type behind it."""

        def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
            return dict(*args, **kwargs)

        def fromkeys(self, *args: Any) -> dict[Any, Any]:
            return dict.fromkeys(*args)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    environment = Bounded(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: (day or datetime.now()).strftime(form)
    environment.globals["dict"] = Dict()
    environment.globals["namespace"] = Namespace
    return environment
