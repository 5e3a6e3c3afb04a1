"""prompt / completion, under these names or those that question sets use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunewright.engine.data.example import Message
from tunewright.engine.data.readers.block import Wrong
from tunewright.engine.data.shapes.calls import decoded, parse_tools, written_calls
from tunewright.engine.data.shapes.shape import (
    Names,
    Normal,
    Parsed,
    Shape,
    alias,
    text_wrong,
    told,
)
from tunewright.engine.data.shapes.turns import history_turns, parse_turns
from tunewright.engine.data.shapes.written import (
    NO_ANSWER,
    answer_in,
    answer_of,
    are_turns,
    turns_in,
)

ASKED = (
    "inputs_pretokenized", "prompt", "question", "query", "instruction", "user", "human", "input",
    "problem", "inputs", "source", "context", "article", "document", "dialogue", "sentence",
    "input_text", "src", "user_message", "user_input", "customer", "customer_message", "utterance",
    "message", "request", "problem_statement", "task", "nl", "text_in", "source_text", "text",
    "content", "transcript", "report", "user_prompt", "user_query", "user_question", "docstring",
    "func_documentation_string", "message_1", "title", "q",
)  # fmt: skip
ANSWERED = (
    "targets_pretokenized", "completion", "answer", "response", "output", "assistant", "reply",
    "solution", "generated_solution", "target", "targets", "outputs", "summary", "bot", "gpt",
    "highlights", "translation", "answers", "output_text", "tgt", "sql", "correct_answer",
    "best_answer", "final_answer", "ideal", "expected_output", "expected", "ground_truth",
    "reference", "generation", "generated_text", "canonical_solution", "model_response",
    "assistant_response", "ai_response", "bot_response", "agent", "agent_response", "agent_reply",
    "reply_text", "target_text", "model_output", "model_reply", "model_answer", "code", "text_out",
    "headline", "solutions", "func_code_string", "message_2", "answers_spans", "query",
)  # fmt: skip
# Names of documents too: only an answer that says what it is makes a question of one.
_DOCUMENTS = ("text", "content", "transcript", "report", "title")
_MADE_OF_ONE = (
    "completion", "answer", "response", "output", "target", "summary", "highlights", "translation",
    "answers", "code", "headline", "target_text", "text_out", "output_text",
)  # fmt: skip
_WORKED_OUT = ("solution", "generated_solution")
# What a question is about, and what was thought before it was answered.
_GIVEN = ("context", "passage", "knowledge", "contexts", "schema", "evidence")
# What is to be done with all inputs of a task.
_SYSTEM = ("system", "system_prompt", "definition")
THOUGHT = (
    "reasoning", "thinking", "reasoning_content", "rationale", "thought", "chain_of_thought",
    "complex_cot", "cot", "explanation_steps",
)  # fmt: skip


def _bind(row: Mapping[str, Any]) -> tuple[Names, float] | None:
    logged = _logged(row)
    if logged is not None:
        return logged, 0.8
    if "prompt" in row and "completion" in row:
        return {"prompt": "prompt", "completion": "completion", **_beside(row, "prompt")}, 1.0
    asked = alias(row, ASKED, (str, list))
    if asked is None or asked == "title":
        # NarrativeQA and others tell more of a question than its words.
        inner = row.get("question")
        asked = "question.text" if isinstance(inner, dict) and "text" in inner else asked
    document = asked is not None and asked.lower() in _DOCUMENTS
    answered = alias(row, _MADE_OF_ONE if document else ANSWERED, (str, list, dict, int, float))
    if answered is None and asked is not None and asked.lower() == "q":
        answered = alias(row, ("a",), (str,))
    if answered is None and asked == "prompt" and isinstance(row.get("label"), str):
        answered = "label"
    if asked is None or answered is None or asked == answered:
        return None
    if answered.lower() == "answer":
        # LIMO and MATH have the way there, and its last number apart.
        answered = alias(row, _WORKED_OUT, (str,)) or answered
    names = {"prompt": asked, "completion": answered, **_beside(row, asked)}
    return names, 0.6 if document else 0.8


def _logged(row: Mapping[str, Any]) -> dict[str, str] | None:
    """The names in a log of calls: the request's messages, and the message of the response."""
    for asked in ("input", "request", "prompt"):
        inner = row.get(asked)
        if not isinstance(inner, dict) or not isinstance(inner.get("messages"), list):
            continue
        for answered in ("output", "response", "completion"):
            said = row.get(answered)
            if isinstance(said, dict) and isinstance(said.get("choices"), list):
                answered += ".choices[0].message"
            if isinstance(said, (str, dict, list)):
                return {"prompt": f"{asked}.messages", "completion": answered}
    return None


def _otherwise(names: Names) -> str:
    document = names["prompt"].lower() in _DOCUMENTS
    return f"the text alone: --format text:text={names['prompt']}" if document else ""


def _beside(row: Mapping[str, Any], asked: str) -> dict[str, str]:
    found = {
        "system": alias(row, _SYSTEM, (str, type(None))),
        "history": alias(row, ("history",), (list, type(None))),
        "given": alias(row, _GIVEN, (str, type(None))),
        "thought": alias(row, THOUGHT, (str, type(None))),
        "tools": alias(row, ("tools", "functions"), (str, list, type(None))),
    }
    return {ours: name for ours, name in found.items() if name is not None and name != asked}


def _parse(row: Mapping[str, Any], names: Names) -> Parsed:
    asked_at, answered_at = names["prompt"], names["completion"]
    prompt, completion = row.get(asked_at), row.get(answered_at)
    tools = parse_tools(row.get(names["tools"]), names["tools"]) if "tools" in names else ()
    if isinstance(tools, Wrong):
        return [tools]
    prompt = turns_in(prompt)
    completion = answer_in(completion, prompt)
    if isinstance(prompt, list) and isinstance(completion, dict) and not are_turns(completion):
        completion, _ = answer_of(completion, answered_at, asked_at)
    if isinstance(prompt, list) and isinstance(completion, (list, dict, str)):
        return _as_turns(prompt, completion, asked_at, answered_at, tools)
    if answered_at == "solutions" and isinstance(completion, str) and completion[:1] == "[":
        # APPS has all of them as JSON in a text.
        completion = decoded(completion)
    if are_turns(completion):
        if len(names) > 2 + ("tools" in names):
            # What stands beside the question is put together with it first.
            told_turns = Wrong(answered_at, told(completion), "text, as the prompt is")
            return [told_turns]
        return _as_turns([prompt], completion, asked_at, answered_at, tools)
    completion, _ = answer_of(completion, answered_at, asked_at)
    if completion is NO_ANSWER:
        told_none = Wrong(answered_at, "no answer to this question", "an answer", "answer.none")
        return [told_none]
    wrong = [
        *text_wrong(prompt, asked_at, "text (or a list of turns, as the completion)"),
        *text_wrong(
            completion, answered_at, "text (or a list of turns, as the prompt)", "answer.empty"
        ),
    ]
    system, given, thought = (
        row.get(names[key]) if key in names else None for key in ("system", "given", "thought")
    )
    for key, value in (("system", system), ("given", given), ("thought", thought)):
        if value is not None and not isinstance(value, str):
            wrong.append(Wrong(names[key], told(value), "text or nothing"))
    if wrong or not (isinstance(prompt, str) and isinstance(completion, str)):
        return wrong
    if given and given.strip():
        # As Alpaca has it: the question, and after a blank line what it is about.
        prompt = f"{prompt}\n\n{given}"
    answer = Message("assistant", completion, thought or None)
    calls = written_calls(completion) if tools else ()
    if calls:
        answer = Message("assistant", "", thought or None, calls)
    before = history_turns(row.get(names["history"]), "history") if "history" in names else []
    if isinstance(before, Wrong):
        return [before]
    pairs = [*before, (Message("user", prompt), asked_at), (answer, answered_at)]
    if system:
        pairs.insert(0, (Message("system", system), names["system"]))
    return Normal("conversation", tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), tools)


def _as_turns(
    prompt: list[Any], completion: Any, asked_at: str, answered_at: str, tools: Any
) -> Parsed:
    """A prompt of turns, and its answer as turns, as one turn, or as text."""
    if isinstance(completion, str):
        last: list[Any] = [{"role": "assistant", "content": completion}]
    else:
        last = completion if isinstance(completion, list) else [completion]
    if prompt and all(isinstance(turn, str) for turn in prompt):
        # The last one is what is answered.
        roles = ("user", "assistant")
        whose = [roles[(len(prompt) - at + 1) % 2] for at in range(len(prompt))]
        prompt = [{"role": r, "content": c} for r, c in zip(whose, prompt, strict=True)]

    def named(field: str) -> str:
        """The place in the prompt, or beyond its end in the completion."""
        found = _AT.match(field)
        if found is None:
            return field
        turn, rest = int(found[1]), found[2]
        if turn < len(prompt):
            return f"{asked_at}[{turn}]{rest}"
        if isinstance(completion, str):
            return answered_at
        within = f"[{turn - len(prompt)}]" if isinstance(completion, list) else ""
        return f"{answered_at}{within}{rest}"

    turns = parse_turns([*prompt, *last], "")
    if isinstance(turns, list):
        return [wrong._replace(field=named(wrong.field)) for wrong in turns]
    return Normal("conversation", turns.messages, tuple(map(named, turns.fields)), tools)


_AT = re.compile(r"\[(\d+)\](.*)", re.DOTALL)


SHAPE = Shape(
    name="prompt_completion",
    kind="conversation",
    title="a prompt and its completion",
    needs=("prompt", "completion"),
    reads=("prompt", "completion", "system", "given", "thought", "tools", "history"),
    turns=("prompt", "completion"),
    bind=_bind,
    parse=_parse,
    otherwise=_otherwise,
)
