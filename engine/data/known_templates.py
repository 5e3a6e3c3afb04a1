"""Chat templates for models whose folder has none: the known ones, to be tried and chosen.

Each is the published format of a model family, written here with `{% generation %}` marks, so that
TRL's assistant-only loss works with it too.
"""

from __future__ import annotations

from typing import NamedTuple


class KnownTemplate(NamedTuple):
    """`needs` are the special tokens without which the format makes no sense for a model."""

    name: str
    title: str
    needs: tuple[str, ...]
    source: str


def _turns(user: str, before: str, assistant: str, after: str, system: str, start: str = "") -> str:
    """A template of plain turns: `{}` in `user` and `system` stands for the text."""
    said_user, said_system = (
        part.replace("{}", "' + message['content'] + '") for part in (user, system)
    )
    return (
        f"{start}{{% for message in messages %}}{{% if message['role'] == 'assistant' %}}"
        f"{{{{ '{before}{assistant}' }}}}{{% generation %}}{{{{ message['content'] + '{after}' }}}}"
        "{% endgeneration %}"
        f"{{% elif message['role'] == 'system' %}}{{{{ '{said_system}' }}}}"
        f"{{% else %}}{{{{ '{said_user}' }}}}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ '{before}{assistant}' }}}}{{% endif %}}"
    )


KNOWN: tuple[KnownTemplate, ...] = (
    KnownTemplate(
        "chatml",
        "ChatML: SmolLM2, Qwen, Yi, many others",
        ("<|im_start|>", "<|im_end|>"),
        _turns(
            "<|im_start|>user\\n{}<|im_end|>\\n",
            "",
            "<|im_start|>assistant\\n",
            "<|im_end|>\\n",
            "<|im_start|>system\\n{}<|im_end|>\\n",
        ),
    ),
    KnownTemplate(
        "llama3",
        "Llama 3",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        _turns(
            "<|start_header_id|>user<|end_header_id|>\\n\\n{}<|eot_id|>",
            "",
            "<|start_header_id|>assistant<|end_header_id|>\\n\\n",
            "<|eot_id|>",
            "<|start_header_id|>system<|end_header_id|>\\n\\n{}<|eot_id|>",
            "{{ bos_token }}",
        ),
    ),
    KnownTemplate(
        "gemma",
        "Gemma (its system turn is a user's)",
        ("<start_of_turn>", "<end_of_turn>"),
        _turns(
            "<start_of_turn>user\\n{}<end_of_turn>\\n",
            "",
            "<start_of_turn>model\\n",
            "<end_of_turn>\\n",
            "<start_of_turn>user\\n{}<end_of_turn>\\n",
            "{{ bos_token }}",
        ),
    ),
    KnownTemplate(
        "zephyr",
        "Zephyr, TinyLlama",
        (),
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' }}"
        "{% if message['role'] == 'assistant' %}{% generation %}"
        "{{ message['content'] + eos_token + '\\n' }}{% endgeneration %}"
        "{% else %}{{ message['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
    ),
    KnownTemplate(
        "plain",
        "User and assistant in words, for base models without special tokens",
        (),
        "{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{{ '### Assistant:\\n' }}{% generation %}{{ message['content'] + eos_token }}"
        "{% endgeneration %}{{ '\\n\\n' }}"
        "{% else %}{{ '### ' + message['role'] | capitalize + ':\\n' }}"
        "{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Assistant:\\n' }}{% endif %}",
    ),
)


def known(name: str) -> KnownTemplate | None:
    """The template of that name."""
    return next((template for template in KNOWN if template.name == name), None)
