"""A small OpenAI-compatible server for tests: real HTTP on localhost, answers from a function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Messages = list[dict[str, str]]


class ChatServer:
    """`answer` makes the text for the messages of a request; `seen` keeps the requests' bodies and
    `headers` their headers. With `nats`, one for each word of the last message, prompts are scored
    as vLLM does: a token is a word. A context manager: `url` is the base that a person would
    name."""

    def __init__(
        self,
        answer: Callable[[Messages], str],
        status: int = 200,
        nats: Callable[[Messages], list[float]] | None = None,
    ) -> None:
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say({"data": [{"id": "served-model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.seen.append(body)
                server.headers.append(dict(self.headers))
                if status in (301, 302, 307):
                    self.send_response(status)
                    self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                    self.end_headers()
                    return
                if "prompt_logprobs" in body and nats is not None:
                    self._say(_scored(body, nats))
                    return
                text = answer(body["messages"])
                words = sum(len(m["content"].split()) for m in body["messages"])
                self._say(
                    {
                        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                        "usage": {"prompt_tokens": words},
                    }
                )

            def _say(self, value: dict[str, Any]) -> None:
                blob = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(blob)))
                self.end_headers()
                self.wfile.write(blob)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _scored(body: dict[str, Any], nats: Callable[[Messages], list[float]]) -> dict[str, Any]:
    """As vLLM answers: the first token of a prompt has nothing before it, so no entry."""
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    *before, last = body["messages"]
    told = [word for m in before for word in m["content"].split()]
    entries: list[Any] = [None] + [_entry(word, -1.0) for word in told[1:]]
    words = last["content"].split()
    for n, (word, value) in enumerate(zip(words, nats(body["messages"]), strict=True)):
        entries.append(_entry(word if n == 0 else f" {word}", -value))
    return {
        "choices": [{"message": {"content": "x"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": len(entries)},
        "prompt_logprobs": entries,
    }


def _entry(text: str, value: float) -> dict[str, Any]:
    return {"17": {"logprob": value, "rank": 1, "decoded_token": text}}
