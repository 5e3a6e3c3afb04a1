"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import TinyData, build_tiny_data, build_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random 2-layer Llama with tokenizer and ChatML. Do not write to it."""
    return build_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> TinyData:
    """train.jsonl (48 rows) and eval.jsonl (12): prompt -> JSON. Do not write to them."""
    return build_tiny_data(tmp_path_factory.mktemp("tiny-data"))
