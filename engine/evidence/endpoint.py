"""Asking an OpenAI-compatible server (vLLM, llama.cpp, …) that a person named by its URL.

Nothing but the rows of the evidence run goes there, and nowhere else: no proxy is used, no
redirect followed, and a host outside of the person's own network is refused.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from math import exp, fsum, isfinite
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from tunewright.engine.data.example import Example
from tunewright.engine.evidence.asker import Said
from tunewright.engine.prove.likelihood import Likelihood
from tunewright.hardware.errors import Exit, Problem

# A key of the server, where it wants one; read from the environment and never written.
KEY = "TUNEWRIGHT_ENDPOINT_KEY"
PATIENCE_SECONDS = 300.0
_MOST_BYTES = 16_000_000


class EndpointAsker:
    """See `Asker`. `served_as` None takes the first model that the server names."""

    plain = False

    def __init__(
        self,
        url: str,
        served_as: str | None,
        *,
        max_new_tokens: int,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = checked_url(url)
        self._limit = max_new_tokens
        self._between = between
        self.no_likelihood = ""
        self.served_as = served_as or self._first_model()

    def fits(self, example: Example) -> bool:
        """The server knows its context; what does not fit it refuses."""
        return True

    def ask(self, examples: Sequence[Example], on_answer: Callable[[], None]) -> Said:
        texts, tokens, seconds, cut = [], [], [], 0
        for example in examples:
            self._between()
            started = time.monotonic()
            found = self._post(
                "/chat/completions",
                {
                    "model": self.served_as,
                    "messages": [turn.turn() for turn in example.messages[:-1]],
                    "max_tokens": self._limit,
                    "temperature": 0,
                    "seed": 0,
                },
            )
            seconds.append(time.monotonic() - started)
            choice = _first(found, "choices", self.url)
            content = choice.get("message", {}).get("content")
            texts.append(content if isinstance(content, str) else "")
            cut += choice.get("finish_reason") == "length"
            used = found.get("usage")
            count = used.get("prompt_tokens") if isinstance(used, dict) else None
            tokens += [count] if isinstance(count, int) else []
            on_answer()
        return Said(tuple(texts), tuple(tokens), cut, round(median(seconds), 4))

    def likelihood(
        self, examples: Sequence[Example], on_row: Callable[[int], None]
    ) -> Likelihood | None:
        """From the log-probabilities of a prompt that ends in the reference answer, where the
        server gives them (vLLM's `prompt_logprobs`); without the end of the turn."""
        nats, counts = [], []
        for done, example in enumerate(examples):
            scored = None if self.no_likelihood else self._scored(example)
            if scored is None:
                on_row(len(examples) - done)
                return None
            nats.append(scored[0])
            counts.append(scored[1])
            on_row(1)
        mean = fsum(nats) / sum(counts)
        perplexity = exp(mean) if mean < 700 else float("inf")
        return Likelihood(mean, perplexity, sum(counts), tuple(nats), tuple(counts))

    def _scored(self, example: Example) -> tuple[float, int] | None:
        """Nats of the reference answer and its tokens; None, with the reason kept, where the server
        does not say."""
        self._between()
        turns = [turn.turn() for turn in example.messages]
        rest = {"model": self.served_as, "max_tokens": 1, "temperature": 0}
        ending = {"add_generation_prompt": False, "continue_final_message": True}
        try:
            found = self._post(
                "/chat/completions",
                {"messages": turns, "prompt_logprobs": 0, **ending, **rest},
            )
            entries = found.get("prompt_logprobs")
            if not isinstance(entries, list):
                self.no_likelihood = "this server gives no log-probabilities of a prompt"
                return None
            before = self._post("/chat/completions", {"messages": turns[:-1], **rest})
        except Refused as refused:
            self.no_likelihood = (
                f"this server gives no log-probabilities of a prompt: {refused.why}"
            )
            return None
        used = before.get("usage")
        start = used.get("prompt_tokens") if isinstance(used, dict) else None
        answer = _logprobs(entries[start:]) if isinstance(start, int) else None
        wanted = example.messages[-1].content.strip()
        if not answer or "".join(text for text, _ in answer).strip() != wanted:
            self.no_likelihood = "the tokens of the answer cannot be told from the prompt's"
            return None
        return -fsum(value for _, value in answer), len(answer)

    def _first_model(self) -> str:
        name = _first(self._call("/models", None), "data", self.url).get("id")
        if not isinstance(name, str):
            raise _odd(self.url, "its first model has no id")
        return name

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call(path, json.dumps(body).encode())

    def _call(self, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        key = os.environ.get(KEY)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            with _OPENER.open(request, timeout=PATIENCE_SECONDS) as response:
                text = response.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            told = error.read(300).decode(errors="replace")
            raise Refused(self.url, path, error.code, told) from error
        except (OSError, ValueError) as error:
            raise Problem(
                f"{self.url} does not answer",
                why=str(getattr(error, "reason", error)),
                cure=f"start the server, and look: curl {self.url}/models",
                exit=Exit.FAILED,
            ) from error
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _odd(self.url, f"{path}: no JSON: {error}") from error
        if not isinstance(found, dict):
            raise _odd(self.url, f"{path}: no JSON object")
        return found


class Refused(Problem):
    """The server answered, and would not do what was asked."""

    def __init__(self, url: str, path: str, code: int, told: str) -> None:
        odd = _odd(url, f"{path}: HTTP {code}: {told}")
        super().__init__(odd.what, why=odd.why, cure=odd.cure, exit=odd.exit)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the rows to a host that nobody named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _StayHere())


def checked_url(url: str) -> str:
    """The URL without a last slash, if its host is on this machine or a private network.

    A `Problem` for a host elsewhere (RFC 1918, 4193, 3927 and 6598 name what is private) and for
    one that cannot be found.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise Problem(
            f"{url} names no host",
            why="a model at a server is named as http://HOST:PORT/v1",
            cure="--model http://127.0.0.1:8000/v1",
        )
    if parts.username or parts.password or parts.query:
        raise Problem(
            "the URL of a model holds more than a place",
            why="a user, password or query in it would be written into the session",
            cure=f"put the key into {KEY} and name http://HOST:PORT/v1",
        )
    try:
        found = socket.getaddrinfo(host, port or 80, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Problem(
            f"the host {host} is not known",
            why=str(error.strerror or error),
            cure="name it by its address: http://127.0.0.1:8000/v1",
        ) from error
    foreign = [a[4][0] for a in found if not _ours(str(a[4][0]))]
    if foreign:
        raise Problem(
            f"{host} is not on your network",
            why=f"its address is {foreign[0]}: your rows would leave it",
            cure="name a server of your own; a tunnel makes one: ssh -L 8000:localhost:8000 HOST",
        )
    return url.rstrip("/")


# Carriers' and overlay networks' own range (RFC 6598), which Python does not count as private.
_SHARED = ipaddress.ip_network("100.64.0.0/10")


def _ours(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_private or found.is_loopback or found.is_link_local or found in _SHARED


def _first(found: dict[str, Any], field: str, url: str) -> dict[str, Any]:
    values = found.get(field)
    if not isinstance(values, list) or not values or not isinstance(values[0], dict):
        raise _odd(url, f"its answer has no {field}")
    first: dict[str, Any] = values[0]
    return first


def _logprobs(entries: Sequence[Any]) -> list[tuple[str, float]] | None:
    """Text and log-probability of each token of a prompt; None where one is not as it should be.
    An entry holds the token itself first, by its id."""
    found = []
    for entry in entries:
        token = next(iter(entry.values()), None) if isinstance(entry, dict) else None
        text = token.get("decoded_token") if isinstance(token, dict) else None
        value = token.get("logprob") if isinstance(token, dict) else None
        if not isinstance(text, str) or not isinstance(value, int | float) or not isfinite(value):
            return None
        found.append((text, float(value)))
    return found


def _odd(url: str, why: str) -> Problem:
    return Problem(
        f"{url} does not answer as an OpenAI-compatible server",
        why=why,
        cure=f"the URL ends in /v1 with most servers; look: curl {url}/models",
        exit=Exit.FAILED,
    )
