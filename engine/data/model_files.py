"""What a model folder says of its tokens: tokenizer, special tokens, chat template, stop tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from tunewright.hardware.errors import Problem


class ModelFiles(NamedTuple):
    """A fast tokenizer, `special` tokens as `bos_token` and so on, the source of the chat template
    (None: there is none), and the ids that end an answer."""

    tokenizer: Any
    special: dict[str, str]
    template: str | None
    stops: set[int]


def read_model_files(model_dir: Path) -> ModelFiles:
    """Read tokenizer.json, its configuration, the chat template and the stop tokens.

    A `Problem` when the folder has no fast tokenizer or none of the stop tokens is known.
    """
    from tokenizers import Tokenizer

    path = model_dir / "tokenizer.json"
    if not path.is_file():
        raise Problem(
            f"{model_dir} has no tokenizer.json",
            why="only fast tokenizers are read; older folders have tokenizer.model alone",
            cure="load it once with transformers' AutoTokenizer and save it with "
            "save_pretrained: that writes tokenizer.json",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise Problem(
            f"{path} is damaged",
            why=str(error),
            cure="fetch the tokenizer again",
        ) from error
    # Truncation or padding stored in the file would cut rows without a word.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    config = _read_json(model_dir / "tokenizer_config.json")
    special = _special_tokens(model_dir, config)
    template = _template_source(model_dir, config)
    stops = _stop_ids(model_dir, tokenizer, special)
    if not stops:
        raise Problem(
            f"{model_dir} names no token that ends an answer",
            why="neither tokenizer_config.json nor generation_config.json has an eos token "
            "that the vocabulary knows",
            cure='set "eos_token" in tokenizer_config.json',
        )
    return ModelFiles(tokenizer, special, template, stops)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(
            f"{path} cannot be read", why=str(error), cure="fetch the tokenizer's files again"
        ) from error
    return found if isinstance(found, dict) else {}


def _special_tokens(model_dir: Path, config: dict[str, Any]) -> dict[str, str]:
    """`bos_token` and so on as text; a token may stand as an object with its content. As in
    transformers, older folders keep them in special_tokens_map.json."""
    if "added_tokens_decoder" not in config:
        config = {**config, **_read_json(model_dir / "special_tokens_map.json")}
    found = {}
    for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        name += "_token"
        token = config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            found[name] = token
    return found


def _template_source(model_dir: Path, config: dict[str, Any]) -> str | None:
    """The template file wins over the configuration, as in transformers; of several the default."""
    path = model_dir / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(
                f"{path} cannot be read", why=str(error), cure="fetch the tokenizer's files again"
            ) from error
    source = config.get("chat_template")
    if isinstance(source, list):
        named = {t.get("name"): t.get("template") for t in source if isinstance(t, dict)}
        source = named.get("default")
    return source if isinstance(source, str) else None


def _stop_ids(model_dir: Path, tokenizer: Any, special: dict[str, str]) -> set[int]:
    """Tokens that end an answer: those generation stops at, and the tokenizer's eos."""
    generation = _read_json(model_dir / "generation_config.json").get("eos_token_id")
    stops = set(generation if isinstance(generation, list) else [generation])
    if "eos_token" in special:
        stops.add(tokenizer.token_to_id(special["eos_token"]))
    size = tokenizer.get_vocab_size()
    return {i for i in stops if isinstance(i, int) and 0 <= i < size}
