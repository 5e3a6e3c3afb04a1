"""What to try by hand where there is no row yet: a list, and a template to be measured on."""

from __future__ import annotations

import json
from pathlib import Path

from tunewright.engine.decide.guide import Verdicts
from tunewright.engine.files import write_atomic

ROWS = 20
LOOKUPS = 10

_TOLD = {
    "prompting": (
        "Twenty inputs with their right answers",
        "Take them as they will come, not as they are easy. Write each into template.jsonl: the "
        "input as the user's turn, the right answer as the assistant's.",
    ),
    "rag": (
        "Twenty questions whose answers stand in documents",
        "Write each into template.jsonl with its right answer, word for word as the documents have "
        "it and no longer, and put the documents into one folder (--documents FOLDER).",
    ),
    "tools": (
        "Ten lookups by hand",
        "For ten real questions do by hand what the tool would do, and write into template.jsonl: "
        "the question with the result below it as the user's turn, the right answer as the "
        "assistant's. Where the answers become right with the result at hand, a tool is worth "
        "building.",
    ),
}


def write_trial(folder: Path, verdict: Verdicts) -> None:
    """missing.md (what to do) and template.jsonl (rows to be filled in) for a verdict that needs
    no rows to train on."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    title, told = _TOLD[verdict]
    extra = " --documents FOLDER" if verdict == "rag" else ""
    measure = f"tunewright decide --data {folder / 'template.jsonl'} --model MODEL{extra}"
    text = f"# {title}\n\n{told}\n\nThen measure:\n\n    {measure}\n"
    rows = (LOOKUPS, "QUESTION\nRESULT OF THE LOOKUP") if verdict == "tools" else (ROWS, "QUESTION")
    turns = [{"role": "user", "content": rows[1]}, {"role": "assistant", "content": "ANSWER"}]
    lines = [json.dumps({"messages": turns})] * rows[0]
    write_atomic(folder / "missing.md", text.encode())
    write_atomic(folder / "template.jsonl", ("\n".join(lines) + "\n").encode())
