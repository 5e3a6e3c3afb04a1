"""Rows as widely known data sets and tools write them: made here, in the form that is public
knowledge. Each with the shape under which it is to be read and how it ends, or why it is not."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

CALL = {"name": "get_weather", "arguments": {"city": "Bern"}}
TOOL = {"name": "get_weather", "description": "d", "parameters": {"type": "object"}}


class Known(NamedTuple):
    """`shape` and `answer` (the last text to learn, or the chosen one) of a row that is read;
    `not_read`: the finding of one that is not, and `said` a part of what it says. `asked` is part
    of what is asked, `rejected` the worse answer."""

    row: dict[str, Any]
    shape: str | None
    answer: str | None = None
    asked: str = ""
    rejected: str | None = None
    not_read: str | None = None
    said: str = ""


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def ufb(model: str, text: str, score: float) -> dict[str, Any]:
    rating = {"Rating": str(int(score)), "Rationale": "because"}
    return {
        "model": model,
        "principle": "helpfulness",
        "custom_system_prompt": "be helpful",
        "response": text,
        "annotations": {"helpfulness": rating, "honesty": rating},
        "critique": "fine",
        "fine-grained_score": score,
        "overall_score": score * 2,
    }


PAIR = ("the good one", "the bad one")
SETS: dict[str, Known] = {
    "squad flat": Known(
        {
            "id": "5",
            "title": "T",
            "context": "Bern is the capital.",
            "question": "Which city?",
            "answers": {"text": ["Bern", "the city of Bern"], "answer_start": [0, 0]},
        },
        "prompt_completion",
        "Bern",
        "Bern is the capital.",
    ),
    "squad 2 without an answer": Known(
        {
            "id": "5",
            "context": "Bern is the capital.",
            "question": "Which river?",
            "answers": {"text": [], "answer_start": []},
        },
        "prompt_completion",
        not_read="answer.none",
    ),
    "boolq": Known(
        {"question": "is it so", "answer": True, "passage": "It is so."},
        "prompt_completion",
        "yes",
        "It is so.",
    ),
    "triviaqa": Known(
        {
            "question": "Who?",
            "question_id": "tc_1",
            "answer": {"aliases": ["Ada L."], "normalized_value": "ada", "value": "Ada"},
        },
        "prompt_completion",
        "Ada",
    ),
    "natural questions open": Known(
        {"question": "who was it", "answer": ["Ada", "A. Lovelace"]}, "prompt_completion", "Ada"
    ),
    "gsm8k": Known(
        {"question": "2 and 2?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"},
        "prompt_completion",
        "2 + 2 = <<2+2=4>>4\n#### 4",
    ),
    "math with a number": Known(
        {"problem": "1+1", "answer": 2, "source": "own"}, "prompt_completion", "2"
    ),
    "sciq": Known(
        {
            "question": "What boils?",
            "distractor1": "stone",
            "distractor2": "wood",
            "distractor3": "sand",
            "correct_answer": "water",
            "support": "Water boils.",
        },
        "prompt_completion",
        "water",
    ),
    "xsum": Known(
        {"document": "A long story.", "summary": "Short.", "id": "3"}, "prompt_completion", "Short."
    ),
    "cnn_dailymail": Known(
        {"article": "A long story.", "highlights": "Short.", "id": "f0"},
        "prompt_completion",
        "Short.",
    ),
    "samsum": Known(
        {"id": "1", "dialogue": "Ann: hi\r\nBob: hello", "summary": "They greet."},
        "prompt_completion",
        "They greet.",
    ),
    "billsum": Known(
        {"text": "SECTION 1. A long law.", "summary": "Short.", "title": "A law"},
        "prompt_completion",
        "Short.",
    ),
    "spider": Known(
        {"db_id": "d", "question": "How many?", "query": "SELECT count(*)", "sql": "SELECT 1"},
        "prompt_completion",
        "SELECT 1",
    ),
    "sql-create-context": Known(
        {"question": "How many?", "context": "CREATE TABLE t (a INT)", "answer": "SELECT 1"},
        "prompt_completion",
        "SELECT 1",
        "CREATE TABLE",
    ),
    "mbpp": Known(
        {"task_id": 1, "text": "Add two.", "code": "def f(): ...", "test_list": ["assert 1"]},
        "prompt_completion",
        "def f(): ...",
    ),
    "humaneval": Known(
        {"task_id": "H/0", "prompt": "def f():", "canonical_solution": " return 1", "test": "t"},
        "prompt_completion",
        " return 1",
    ),
    "wmt": Known(
        {"translation": {"de": "Guten Tag", "en": "Good day"}}, "translation", "Good day", "Guten"
    ),
    "two languages": Known({"en": "Good day", "fr": "Bonjour"}, "translation", "Bonjour"),
    "dolly": Known(
        {"instruction": "q", "context": "c", "response": "a", "category": "closed_qa"},
        "alpaca",
        "a",
        "c",
    ),
    "self-instruct, flat": Known(
        {"prompt": "Task: x\nOutput:", "completion": " a<|endoftext|>"},
        "prompt_completion",
        " a<|endoftext|>",
    ),
    "mmlu": Known(
        {"question": "2+2?", "subject": "maths", "choices": ["3", "5", "4", "6"], "answer": 2},
        "choices",
        "C. 4",
        "B. 5",
    ),
    "mmlu-pro": Known(
        {
            "question_id": 7,
            "question": "2+2?",
            "options": ["3", "4"],
            "answer": "B",
            "answer_index": 1,
            "cot_content": "",
            "category": "maths",
        },
        "choices",
        "B. 4",
    ),
    "arc": Known(
        {
            "id": "M",
            "question": "What melts?",
            "choices": {"text": ["ice", "stone"], "label": ["A", "B"]},
            "answerKey": "A",
        },
        "choices",
        "A. ice",
    ),
    "arc with numbers": Known(
        {
            "question": "What melts?",
            "choices": {"text": ["ice", "stone"], "label": ["1", "2"]},
            "answerKey": "2",
        },
        "choices",
        "B. stone",
    ),
    "commonsenseqa": Known(
        {
            "id": "x",
            "question": "Where?",
            "question_concept": "place",
            "choices": {"label": ["A", "B"], "text": ["bank", "home"]},
            "answerKey": "B",
        },
        "choices",
        "B. home",
    ),
    "commonsenseqa, held out": Known(
        {
            "question": "Where?",
            "choices": {"label": ["A", "B"], "text": ["bank", "home"]},
            "answerKey": "",
        },
        "choices",
        not_read="label.missing",
    ),
    "openbookqa": Known(
        {
            "question_stem": "The sun",
            "choices": {"text": ["shines", "sings"], "label": ["A", "B"]},
            "answerKey": "A",
        },
        "choices",
        "A. shines",
    ),
    "hellaswag": Known(
        {
            "ind": 4,
            "activity_label": "Cooking",
            "ctx_a": "He stirs.",
            "ctx_b": "he",
            "ctx": "He stirs. he",
            "endings": ["eats.", "flies."],
            "source_id": "s",
            "split": "train",
            "label": "0",
        },
        "choices",
        "A. eats.",
        "He stirs. he",
    ),
    "piqa": Known(
        {"goal": "Open it", "sol1": "pull", "sol2": "push", "label": 1}, "choices", "B. push"
    ),
    "social_i_qa": Known(
        {
            "context": "Ann left.",
            "question": "Why?",
            "answerA": "bored",
            "answerB": "tired",
            "answerC": "hungry",
            "label": "2",
        },
        "choices",
        "B. tired",
        "Ann left.",
    ),
    "winogrande": Known(
        {"sentence": "The _ fell.", "option1": "cup", "option2": "wall", "answer": "1"},
        "choices",
        "A. cup",
    ),
    "copa": Known(
        {
            "premise": "It rained.",
            "choice1": "wet",
            "choice2": "dry",
            "question": "effect",
            "label": 0,
        },
        "choices",
        "A. wet",
        "It rained.",
    ),
    "race": Known(
        {
            "article": "A story.",
            "question": "Who?",
            "options": ["Ann", "Bob", "Cy", "Di"],
            "answer": "C",
        },
        "choices",
        "C. Cy",
        "A story.",
    ),
    "medmcqa": Known(
        {
            "question": "Which?",
            "opa": "one",
            "opb": "two",
            "opc": "three",
            "opd": "four",
            "cop": 3,
            "exp": "because",
        },
        "choices",
        "D. four",
    ),
    "medqa": Known(
        {
            "question": "Which?",
            "answer": "two",
            "options": {"A": "one", "B": "two"},
            "meta_info": "step1",
            "answer_idx": "B",
        },
        "choices",
        "B. two",
    ),
    "aqua": Known(
        {"question": "x?", "options": ["A)21", "B)22"], "rationale": "r", "correct": "B"},
        "choices",
        "B. 22",
    ),
    "c-eval": Known(
        {"id": 0, "question": "q", "A": "one", "B": "two", "C": "x", "D": "y", "answer": "B"},
        "choices",
        "B. two",
    ),
    "imdb": Known({"text": "A fine film.", "label": 1}, "classes", "1"),
    "ag news": Known({"text": "Markets fell.", "label": 2, "label_text": "Business"}, "classes",
                     "Business"),
    "banking": Known({"text": "card lost", "intent": "lost_card"}, "classes", "lost_card"),
    "snli": Known(
        {"premise": "A man walks.", "hypothesis": "He moves.", "label": 0},
        "classes",
        "0",
        "hypothesis: He moves.",
    ),
    "snli without agreement": Known(
        {"premise": "A man walks.", "hypothesis": "He moves.", "label": -1},
        "classes",
        not_read="label.missing",
    ),
    "several classes": Known({"text": "x y", "labels": ["a", "b"]}, "classes", "a, b"),
    "glaive": Known(
        {
            "system": "SYSTEM: You have functions. Use them - {}",
            "chat": 'USER: q\n\n\nASSISTANT: <functioncall> {"name": "get_weather", "arguments": '
            "'{\"city\": \"Bern\"}'} <|endoftext|>\n\n\nFUNCTION RESPONSE: {\"t\": 3}\n\n\n"
            "ASSISTANT: It is 3. <|endoftext|>\n\n\n",
        },
        "dialogue",
        "It is 3.",
    ),
    "xlam": Known(
        {
            "id": 0,
            "query": "Weather in Bern?",
            "answers": json.dumps([CALL]),
            "tools": json.dumps([TOOL]),
        },
        "prompt_completion",
        "",
        "Weather",
    ),
    "hermes function calling": Known(
        {
            "id": "1",
            "conversations": [
                {"from": "system", "value": "You call functions. <tools>[]</tools>"},
                {"from": "human", "value": "Weather in Bern?"},
                {"from": "gpt", "value": f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"},
                {"from": "tool", "value": '<tool_response>\n{"t": 3}\n</tool_response>'},
                {"from": "gpt", "value": "It is 3."},
            ],
            "tools": json.dumps([{"type": "function", "function": TOOL}]),
            "category": "weather",
        },
        "sharegpt",
        "It is 3.",
    ),
    "toolbench": Known(
        {
            "id": "Step 3: q",
            "conversations": [
                {"from": "system", "value": "You are AutoGPT."},
                {"from": "user", "value": "Begin!"},
                {"from": "assistant", "value": "Thought: \nAction: x\nAction Input: {}"},
                {"from": "function", "value": '{"error": "", "response": "3"}'},
                {"from": "assistant", "value": "Thought: done\nAction: Finish"},
            ],
        },
        "sharegpt",
        "Thought: done\nAction: Finish",
    ),
    "apigen mt": Known(
        {
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": '{"t": 3}'},
                {"from": "gpt", "value": "It is 3."},
            ],
            "tools": json.dumps([TOOL]),
            "system": "s",
        },
        "sharegpt",
        "It is 3.",
    ),
    "openai fine-tuning": Known(
        {
            "messages": [
                user("q"),
                {
                    "role": "assistant",
                    "weight": 0,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {
                                "name": "get_weather",
                                "arguments": '{"city": "Bern"}',
                            },
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "3"},
                {"role": "assistant", "content": "It is 3.", "weight": 1},
            ],
            "tools": [{"type": "function", "function": TOOL}],
            "parallel_tool_calls": False,
        },
        "messages",
        "It is 3.",
    ),
    "openai preference": Known(
        {
            "input": {"messages": [user("q")], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [assistant(PAIR[0])],
            "non_preferred_output": [assistant(PAIR[1])],
        },
        "preference",
        PAIR[0],
        rejected=PAIR[1],
    ),
    "mistral": Known(
        {
            "messages": [
                {"role": "system", "content": "s"},
                user("q"),
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": "9Ae3bDc2F",
                            "function": {
                                "name": "get_weather",
                                "arguments": '{"city": "Bern"}',
                            },
                        }
                    ],
                },
                {
                    "role": "tool",
                    "content": "3",
                    "name": "get_weather",
                    "tool_call_id": "9Ae3bDc2F",
                },
                {"role": "assistant", "content": "It is 3."},
            ],
            "tools": [{"type": "function", "function": TOOL}],
        },
        "messages",
        "It is 3.",
    ),
    "vertex": Known(
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "s"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "q"}]},
                {"role": "model", "parts": [{"text": "a"}]},
            ],
            "generationConfig": {"temperature": 0},
        },
        "messages",
        "a",
    ),
    "vertex, text bison": Known({"input_text": "q", "output_text": "a"}, "prompt_completion", "a"),
    "bedrock converse": Known(
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": "s"}],
            "messages": [
                {"role": "user", "content": [{"text": "q"}]},
                {"role": "assistant", "content": [{"text": "a"}]},
            ],
        },
        "messages",
        "a",
    ),
    "bedrock claude": Known(
        {"system": "s", "messages": [user("q"), assistant("a")]}, "messages", "a"
    ),
    "cohere": Known(
        {
            "messages": [
                {"role": "System", "content": "s"},
                {"role": "User", "content": "q"},
                {"role": "Chatbot", "content": "a"},
            ]
        },
        "messages",
        "a",
    ),
    "cohere chat history": Known(
        {
            "chat_history": [{"role": "USER", "message": "q"}, {"role": "CHATBOT", "message": "a"}],
        },
        "messages",
        "a",
    ),
    "wildchat": Known(
        {
            "conversation_hash": "ab",
            "model": "m",
            "timestamp": "2023-04-09 00:02:53",
            "conversation": [
                {
                    "content": "q",
                    "country": "X",
                    "hashed_ip": "ff",
                    "header": {"user-agent": "x"},
                    "language": "English",
                    "redacted": False,
                    "role": "user",
                    "timestamp": None,
                    "toxic": False,
                    "turn_identifier": 1,
                },
                {
                    "content": "a",
                    "country": None,
                    "hashed_ip": None,
                    "header": None,
                    "language": "English",
                    "redacted": False,
                    "role": "assistant",
                    "timestamp": "2023-04-09 00:02:53",
                    "toxic": False,
                    "turn_identifier": 1,
                },
            ],
            "turn": 1,
            "language": "English",
            "openai_moderation": [{"categories": {"hate": False}, "flagged": False}],
            "detoxify_moderation": [{"toxicity": 0.01}],
            "toxic": False,
            "redacted": False,
        },
        "messages",
        "a",
    ),
    "lmsys-chat-1m": Known(
        {
            "conversation_id": "x",
            "model": "m",
            "conversation": [user("q"), assistant("a")],
            "turn": 1,
            "language": "English",
            "openai_moderation": [{"flagged": False}],
            "redacted": False,
        },
        "messages",
        "a",
    ),
    "chatbot arena": Known(
        {
            "question_id": "x",
            "model_a": "m",
            "model_b": "n",
            "winner": "model_b",
            "judge": "arena_user_1",
            "conversation_a": [user("q"), assistant(PAIR[1])],
            "conversation_b": [user("q"), assistant(PAIR[0])],
            "turn": 1,
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "arena, a tie": Known(
        {
            "winner": "tie (bothbad)",
            "conversation_a": [user("q"), assistant("x")],
            "conversation_b": [user("q"), assistant("y")],
        },
        "ranked",
        not_read="pair.tie",
    ),
    "capybara": Known(
        {"source": "s", "conversation": [{"input": "q", "output": "a"}]}, "messages", "a"
    ),
    "slimorca": Known(
        {
            "conversations": [
                {"from": "system", "value": "s", "weight": None},
                {"from": "human", "value": "q", "weight": 0.0},
                {"from": "gpt", "value": "a", "weight": 1.0},
            ]
        },
        "sharegpt",
        "a",
    ),
    "openorca": Known(
        {"id": "n", "system_prompt": "s", "question": "q", "response": "a"},
        "prompt_completion",
        "a",
    ),
    "ultrachat": Known({"id": "0", "data": ["q", "a", "r", "b"]}, "messages", "b"),
    "ultrachat 200k": Known(
        {"prompt": "q", "prompt_id": "f", "messages": [user("q"), assistant("a")]}, "messages", "a"
    ),
    "openhermes": Known(
        {
            "source": "s",
            "category": None,
            "system_prompt": None,
            "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
            "custom_instruction": False,
            "title": None,
        },
        "sharegpt",
        "a",
    ),
    "magpie": Known(
        {
            "uuid": "u",
            "model": "m",
            "instruction": "q",
            "response": "a",
            "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
            "task_category": "x",
            "difficulty": "easy",
            "input_quality": "good",
            "quality": None,
            "instruct_reward": -3.2,
            "reward_model": "r",
            "language": "EN",
        },
        "sharegpt",
        "a",
    ),
    "tulu": Known(
        {"id": "1", "messages": [user("q"), assistant("a")], "source": "s"}, "messages", "a"
    ),
    "openthoughts": Known(
        {
            "system": "Think first.",
            "conversations": [
                {"from": "user", "value": "q"},
                {
                    "from": "assistant",
                    "value": "<|begin_of_thought|>\nhm\n<|end_of_thought|>\n\na",
                },
            ],
        },
        "sharegpt",
        "<|begin_of_thought|>\nhm\n<|end_of_thought|>\n\na",
    ),
    "r1 distill": Known(
        {"problem": "p", "solution": "s", "answer": "4", "messages": [
            user("p"), assistant("<think>\nhm\n</think>\n\n4")], "source": "x"},
        "messages",
        "<think>\nhm\n</think>\n\n4",
    ),
    "medical reasoning": Known(
        {"Question": "q", "Complex_CoT": "hm", "Response": "a"}, "prompt_completion", "a"
    ),
    "helpsteer": Known(
        {
            "prompt": "q",
            "response": "a",
            "helpfulness": 4,
            "correctness": 4,
            "coherence": 4,
            "complexity": 1,
            "verbosity": 1,
        },
        "reward",
        "a",
    ),
    "helpsteer2 preference": Known(
        {
            "split": "train",
            "prompt": "q",
            "response_1": PAIR[1],
            "response_2": PAIR[0],
            "preference_strength": 2,
            "preference_statement": "better",
            "preference_elaboration": "x",
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "shp": Known(
        {
            "post_id": "x",
            "history": "How?",
            "c_root_id_A": "a",
            "human_ref_A": PAIR[0],
            "human_ref_B": PAIR[1],
            "labels": 1,
            "score_A": 9,
            "score_B": 2,
            "score_ratio": 4.5,
        },
        "ranked",
        PAIR[0],
        "How?",
        PAIR[1],
    ),
    "hh-rlhf": Known(
        {
            "chosen": "\n\nHuman: q\n\nAssistant: " + PAIR[0],
            "rejected": "\n\nHuman: q\n\nAssistant: " + PAIR[1],
        },
        "preference",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "pku-saferlhf": Known(
        {
            "prompt": "q",
            "response_0": PAIR[1],
            "response_1": PAIR[0],
            "is_response_0_safe": False,
            "is_response_1_safe": True,
            "better_response_id": 1,
            "safer_response_id": 1,
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "nectar": Known(
        {
            "prompt": "\n\nHuman: q\n\nAssistant: ",
            "answers": [
                {"answer": "middle", "model": "m", "rank": 2.0},
                {"answer": PAIR[0], "model": "n", "rank": 1.0},
                {"answer": PAIR[1], "model": "o", "rank": 7.0},
            ],
            "turns": 1,
            "num_responses": 3,
            "source": ["x"],
            "good_natured": True,
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "ultrafeedback raw": Known(
        {
            "source": "evol",
            "instruction": "q",
            "models": ["m", "n"],
            "completions": [ufb("m", PAIR[1], 2), ufb("n", PAIR[0], 4), ufb("o", "middle", 3)],
            "correct_answers": ["None"],
            "incorrect_answers": ["None"],
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "ultrafeedback binarised": Known(
        {
            "prompt": "q",
            "prompt_id": "x",
            "chosen": [user("q"), assistant(PAIR[0])],
            "rejected": [user("q"), assistant(PAIR[1])],
            "messages": [user("q"), assistant(PAIR[0])],
            "score_chosen": 8.0,
            "score_rejected": 4.0,
        },
        "preference",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "stack exchange preferences": Known(
        {
            "qid": 1,
            "question": "<p>How?</p>",
            "answers": [
                {"answer_id": 2, "pm_score": 1, "selected": False, "text": PAIR[1], "author": "x"},
                {"answer_id": 3, "pm_score": 5, "selected": True, "text": PAIR[0], "author": "y"},
            ],
            "date": "2014/05/14",
            "metadata": ["https://example.org"],
        },
        "ranked",
        PAIR[0],
        "How?",
        PAIR[1],
    ),
    "stack exchange paired": Known(
        {"qid": 1, "question": "How?", "response_j": PAIR[0], "response_k": PAIR[1], "date": "x"},
        "preference",
        PAIR[0],
        "How?",
        PAIR[1],
    ),
    "webgpt comparisons": Known(
        {
            "question": {"dataset": "eli5", "id": "1", "full_text": "Why?"},
            "quotes_0": {"title": [], "extract": []},
            "answer_0": PAIR[1],
            "score_0": -1.0,
            "answer_1": PAIR[0],
            "score_1": 1.0,
        },
        "ranked",
        PAIR[0],
        "Why?",
        PAIR[1],
    ),
    "alpaca farm": Known(
        {"instruction": "q", "input": "", "output_1": PAIR[0], "output_2": PAIR[1],
         "preference": 1},
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "argilla dpo mix": Known(
        {
            "dataset": "capybara",
            "chosen": [user("x"), assistant("y"), user("q"), assistant(PAIR[0])],
            "rejected": [user("x"), assistant("y"), user("q"), assistant(PAIR[1])],
            "chosen_rating": 5.0,
            "rejected_rating": 3.0,
        },
        "preference",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "orca dpo pairs": Known(
        {"system": "s", "question": "q", "chosen": PAIR[0], "rejected": PAIR[1]},
        "preference",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "distilabel intel orca": Known(
        {
            "system": "",
            "input": "q",
            "chosen": PAIR[0],
            "rejected": PAIR[1],
            "generations": ["x", "y"],
            "rating": [9.0, 8.0],
            "status": "ok",
        },
        "preference",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "kto mix": Known(
        {
            "prompt": [user("q")],
            "completion": [assistant("a")],
            "label": True,
        },
        "kto",
        "a",
    ),
    "kto of texts": Known(
        {"dataset": "x", "prompt": "q", "completion": "a", "label": False}, "kto", "a"
    ),
    "llava": Known(
        {
            "id": "1",
            "image": "coco/1.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"},
                {"from": "gpt", "value": "A cat."},
            ],
        },
        "sharegpt",
        not_read="content.not-text",
    ),
    "pictures and classes": Known(
        {"image": {"bytes": "iVBORw0", "path": None}, "label": 3}, None, not_read="shape.stranger"
    ),
    "conll": Known(
        {"id": "0", "tokens": ["Ann", "left"], "pos_tags": [1, 2], "ner_tags": [1, 0]},
        None,
        not_read="shape.stranger",
        said="tag each",
    ),
    "doccano spans": Known(
        {"id": 1, "text": "Ann left", "label": [[0, 3, "PER"]]}, None, not_read="shape.stranger"
    ),
    "tokenised": Known(
        {"input_ids": [1, 2], "attention_mask": [1, 1], "labels": [1, 2]},
        None,
        not_read="shape.stranger",
        said="numbered",
    ),
    "label studio choices": Known(
        {
            "id": 1,
            "data": {"text": "A fine film.", "meta": {"n": 1}},
            "annotations": [
                {
                    "id": 5,
                    "completed_by": 1,
                    "was_cancelled": False,
                    "result": [
                        {
                            "from_name": "sentiment",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": ["Positive"]},
                        }
                    ],
                }
            ],
            "predictions": [],
            "created_at": "2024-01-01",
        },
        "annotated",
        "Positive",
        "A fine film.",
    ),
    "label studio text area": Known(
        {
            "id": 1,
            "data": {"prompt": "q"},
            "annotations": [
                {"result": [{"type": "textarea", "value": {"text": ["a"]}, "to_name": "p"}]}
            ],
        },
        "annotated",
        "a",
    ),
    "label studio entities": Known(
        {
            "data": {"text": "Ann left"},
            "annotations": [
                {
                    "result": [
                        {
                            "type": "labels",
                            "value": {"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]},
                        }
                    ]
                }
            ],
        },
        "annotated",
        not_read="answer.missing",
    ),
    "label studio, short": Known(
        {"text": "A fine film.", "id": 1, "sentiment": "Positive", "annotator": 1,
         "annotation_id": 5, "created_at": "2024", "lead_time": 3.1},
        "classes",
        "Positive",
    ),
    "argilla records": Known(
        {
            "id": "u",
            "status": "completed",
            "fields": {"text": "A fine film."},
            "metadata": {},
            "suggestions": {},
            "responses": {"label": [{"value": "positive", "status": "submitted", "user_id": "x"}]},
        },
        "annotated",
        "positive",
    ),
    "argilla feedback": Known(
        {
            "text": "A fine film.",
            "label": [{"user_id": "x", "value": "positive", "status": "submitted"}],
            "label-suggestion": "negative",
            "metadata": "{}",
        },
        "classes",
        "positive",
    ),
    "argilla columns": Known(
        {
            "id": "u",
            "text": "A fine film.",
            "label.responses": ["positive"],
            "label.responses.users": ["x"],
            "label.responses.status": ["submitted"],
            "label.suggestion": "negative",
        },
        "classes",
        "positive",
    ),
    "doccano classes": Known(
        {"id": 1, "text": "A fine film.", "label": ["positive"], "Comments": []},
        "classes",
        "positive",
    ),
    "slack": Known(
        {"type": "message", "user": "U1", "text": "hi", "ts": "1.2", "team": "T"},
        None,
        not_read="shape.stranger",
        said="chat log",
    ),
    "discord": Known(
        {
            "guild": {"id": "1"},
            "channel": {"name": "help"},
            "messages": [
                {
                    "id": "1",
                    "type": "Default",
                    "timestamp": "2024",
                    "content": "hi",
                    "author": {"id": "2", "name": "ann", "isBot": False},
                }
            ],
            "messageCount": 1,
        },
        None,
        not_read="shape.stranger",
        said="chat log",
    ),
    "telegram": Known(
        {
            "name": "Ann",
            "type": "personal_chat",
            "id": 1,
            "messages": [
                {"id": 1, "type": "message", "date": "2024", "from": "Ann", "from_id": "u1",
                 "text": "hi"}
            ],
        },
        None,
        not_read="shape.stranger",
        said="chat log",
    ),
    "zendesk": Known(
        {
            "id": 1,
            "subject": "Broken",
            "requester_id": 7,
            "comments": [
                {"id": 1, "author_id": 7, "body": "It broke.", "public": True},
                {"id": 2, "author_id": 9, "body": "Try this.", "public": True},
            ],
        },
        "threads",
        "Try this.",
        "It broke.",
    ),
    "chatgpt export": Known(
        {
            "title": "T",
            "create_time": 1.0,
            "current_node": "c",
            "mapping": {
                "r": {"id": "r", "message": None, "parent": None, "children": ["a"]},
                "a": {
                    "id": "a",
                    "message": {
                        "author": {"role": "user"},
                        "content": {"content_type": "text", "parts": ["q"]},
                    },
                    "parent": "r",
                    "children": ["b", "c"],
                },
                "b": {
                    "id": "b",
                    "message": {
                        "author": {"role": "assistant"},
                        "content": {"content_type": "text", "parts": ["worse"]},
                    },
                    "parent": "a",
                    "children": [],
                },
                "c": {
                    "id": "c",
                    "message": {
                        "author": {"role": "assistant"},
                        "content": {"content_type": "text", "parts": ["a"]},
                    },
                    "parent": "a",
                    "children": [],
                },
            },
        },
        "threads",
        "a",
        "q",
    ),
    "claude export": Known(
        {
            "uuid": "u",
            "name": "T",
            "chat_messages": [
                {"uuid": "1", "sender": "human", "text": "q", "content": []},
                {"uuid": "2", "sender": "assistant", "text": "a", "content": []},
            ],
        },
        "messages",
        "a",
    ),
    "coqa": Known(
        {
            "source": "wikipedia",
            "story": "Ann left.",
            "questions": ["Who?", "Why?"],
            "answers": {"input_text": ["Ann", "bored"], "answer_start": [0, 0]},
        },
        "threads",
        "bored",
        "Ann left.",
    ),
    "daily dialog": Known({"dialog": ["hi", "hello", "how?", "fine"]}, "messages", "fine"),
    "guanaco": Known({"text": "### Human: q### Assistant: a"}, "dialogue", "a"),
    "chatml in a text": Known(
        {"text": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n"},
        "rendered",
        "a",
    ),
    "llama 2 in a text": Known({"text": "<s>[INST] q [/INST] a </s>"}, "rendered", "a"),
    "alpaca in a text": Known(
        {"text": "Below is an instruction.\n\n### Instruction:\nq\n\n### Response:\na"},
        "rendered",
        "a",
    ),
    "p3": Known(
        {"inputs": [3, 4], "inputs_pretokenized": "q", "targets": [5], "targets_pretokenized": "a"},
        "prompt_completion",
        "a",
    ),
    "natural instructions": Known(
        {"id": "t", "definition": "Answer.", "inputs": "q", "targets": "a"},
        "prompt_completion",
        "a",
    ),
    "flan": Known({"inputs": "q", "targets": "a", "task": "t"}, "prompt_completion", "a"),
    "openai evals": Known(
        {"input": [{"role": "system", "content": "s"}, user("q")], "ideal": "a"},
        "prompt_completion",
        "a",
    ),
    "chatglm history": Known(
        {"prompt": "q", "response": "a", "history": [["x", "y"]]}, "prompt_completion", "a", "q"
    ),
    "eli5": Known(
        {"q_id": "1", "title": "q", "selftext": "", "answers": {"text": ["a", "b"], "score": [3]}},
        "prompt_completion",
        "a",
    ),
    "narrative qa": Known(
        {
            "document": {"id": "d", "text": "long"},
            "question": {"text": "q", "tokens": ["q"]},
            "answers": [{"text": "a", "tokens": ["a"]}, {"text": "b", "tokens": ["b"]}],
        },
        "prompt_completion",
        "a",
    ),
    "drop": Known(
        {
            "section_id": "n",
            "passage": "A story.",
            "question": "q",
            "answers_spans": {"spans": ["a", "a"], "types": ["span", "span"]},
        },
        "prompt_completion",
        "a",
        "A story.",
    ),
    "spider as the hub has it": Known(
        {"db_id": "d", "query": "SELECT 1", "question": "q", "question_toks": ["q"]},
        "prompt_completion",
        "SELECT 1",
    ),
    "wikisql": Known(
        {"phase": 1, "question": "q", "sql": {"human_readable": "SELECT", "sel": 3}},
        "prompt_completion",
        "SELECT",
    ),
    "apps": Known(
        {"problem_id": 0, "question": "q", "solutions": '["a", "b"]', "difficulty": "x"},
        "prompt_completion",
        "a",
    ),
    "camel": Known(
        {"role_1": "Chemist_RoleType.ASSISTANT", "topic;": "t", "message_1": "q", "message_2": "a"},
        "prompt_completion",
        "a",
    ),
    "openmathinstruct": Known(
        {"problem": "q", "generated_solution": "a", "expected_answer": "4"},
        "prompt_completion",
        "a",
    ),
    "turns of a context": Known(
        {"context": ["x", "y", "q"], "response": "a"}, "prompt_completion", "a", "q"
    ),
    "tldr": Known({"prompt": "POST: q TL;DR:", "label": " a"}, "prompt_completion", " a"),
    "tldr comparisons": Known(
        {
            "info": {"id": "t", "post": "q", "title": "T"},
            "summaries": [{"text": PAIR[1], "policy": "x"}, {"text": PAIR[0], "policy": "y"}],
            "choice": 1,
            "worker": "w",
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "helpsteer3": Known(
        {
            "domain": "code",
            "context": [user("q")],
            "response1": PAIR[0],
            "response2": PAIR[1],
            "overall_preference": -2,
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "ultrainteract": Known(
        {
            "trajectory": [{"from": "user", "value": "q"}],
            "chosen": PAIR[0],
            "rejected": PAIR[1],
        },
        "preference",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "sharegpt items": Known(
        {"id": "1", "items": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        "sharegpt",
        "a",
    ),
    "turns by columns": Known(
        {"conversations": {"from": ["human", "gpt"], "value": ["q", "a"]}}, "sharegpt", "a"
    ),
    "messages by columns": Known(
        {"messages": {"role": ["user", "assistant"], "content": ["q", "a"]}}, "messages", "a"
    ),
    "an answer beside its turns": Known(
        {"messages": [user("q")], "reasoning": "hm", "answer": "a", "model": "m"}, "messages", "a"
    ),
    "languages by name": Known({"english": "Good day", "german": "Guten Tag"}, "translation",
                               "Guten Tag"),
    "red team": Known(
        {"transcript": "\n\nHuman: q\n\nAssistant: a", "rating": 1, "num_params": "52B"},
        "dialogue",
        "a",
    ),
    "triplets": Known(
        {"anchor": "q", "positive": "a", "negative": "b"}, None, not_read="shape.stranger"
    ),
    "a log of calls": Known(
        {
            "id": "1",
            "request": {"model": "m", "messages": [user("q")], "temperature": 0},
            "response": {"id": "r", "choices": [{"index": 0, "message": assistant("a")}]},
            "latency_ms": 3,
        },
        "prompt_completion",
        "a",
    ),
    "a log of texts": Known(
        {"input": {"messages": [user("q")]}, "output": "a"}, "prompt_completion", "a"
    ),
    "names in camel case": Known({"inputText": "q", "outputText": "a"}, "prompt_completion", "a"),
    "names of a spreadsheet": Known(
        {"Customer Message ": "q", "Agent Response": "a"}, "prompt_completion", "a"
    ),
    "Q and A": Known({"Q": "q", "A": "a"}, "prompt_completion", "a"),
    "mt-bench": Known(
        {"question_id": 81, "category": "math", "turns": ["q", "r"], "reference": ["a", "b"]},
        None,
        not_read="shape.stranger",
        said="questions of a benchmark",
    ),
    "mt-bench, without answers": Known(
        {"question_id": 81, "category": "writing", "turns": ["q", "r"]},
        None,
        not_read="shape.stranger",
        said="questions of a benchmark",
    ),
    "mt-bench prompts": Known(
        {"prompt": ["q", "r"], "reference": ["a", "b"], "category": "math", "prompt_id": 1},
        None,
        not_read="shape.stranger",
        said="questions of a benchmark",
    ),
    "a turn without a conversation": Known(
        {"role": "user", "content": "q"}, None, not_read="shape.stranger", said="one turn"
    ),
    "choices in columns of their own": Known(
        {"question": "q", "choice_a": "one", "choice_b": "two", "answer": "choice_b"},
        "choices",
        "B. two",
    ),
    "choices of an instruction": Known(
        {"instruction": "Pick.", "input": "q", "options": ["x", "y"], "correct_index": 1},
        "choices",
        "B. y",
        "Pick.",
    ),
    "vertex with one part": Known(
        {
            "contents": [
                {"role": "user", "parts": {"text": "q"}},
                {"role": "model", "parts": {"text": "a"}},
            ]
        },
        "messages",
        "a",
    ),
    "arena by columns": Known(
        {
            "id": "1",
            "prompt": ["q"],
            "response_a": [PAIR[1]],
            "response_b": [PAIR[0]],
            "winner_model_a": "0",
            "winner_model_b": "1",
            "winner_tie": "0",
        },
        "ranked",
        PAIR[0],
        "q",
        PAIR[1],
    ),
    "plain text": Known({"text": "A story.", "url": "u", "timestamp": "t"}, "text"),
    "the pile": Known({"text": "A story.", "meta": {"pile_set_name": "x"}}, "text"),
    "fineweb": Known(
        {"text": "A story.", "id": "u", "dump": "d", "url": "u", "language": "en",
         "language_score": 0.9, "token_count": 3, "score": 2.5, "int_score": 3},
        "text",
    ),
}  # fmt: skip
