"""A server that a person named: asked as the protocol says, and nothing goes anywhere else."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path
from typing import Any

import pytest
from live import Live
from server import ChatServer, Messages

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.demo.handbook import write_documents, write_handbook
from tunewright.engine.evidence.endpoint import KEY, EndpointAsker, checked_url
from tunewright.hardware.errors import Problem


def example(question: str) -> Example:
    return Example((Message("user", question), Message("assistant", "wanted")), Place("f", 1))


def test_it_is_asked_greedily_without_the_reference_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    told: list[int] = []
    with ChatServer(lambda messages: messages[-1]["content"].upper()) as server:
        asker = EndpointAsker(server.url, None, max_new_tokens=7)
        said = asker.ask([example("one two"), example("three")], lambda: told.append(1))
    assert asker.served_as == "served-model"
    assert said.texts == ("ONE TWO", "THREE")
    assert said.prompt_tokens == (2, 1)
    assert said.latency_seconds is not None
    assert len(told) == 2
    body = server.seen[0]
    assert body["messages"] == [{"role": "user", "content": "one two"}]
    assert (body["temperature"], body["max_tokens"]) == (0, 7)
    assert "Authorization" not in server.headers[0]


def _answer(question: str, answer: str) -> Example:
    return Example((Message("user", question), Message("assistant", answer)), Place("f", 1))


def test_answers_are_scored_where_the_server_gives_the_log_probabilities_of_a_prompt() -> None:
    told: list[int] = []
    with ChatServer(lambda _: "x", nats=lambda m: [2.0] * len(m[-1]["content"].split())) as server:
        asker = EndpointAsker(server.url, None, max_new_tokens=7)
        rows = [_answer("one two", "red lamp"), _answer("three", " blue big chair ")]
        found = asker.likelihood(rows, told.append)
    assert found is not None
    assert found.row_nats == (4.0, 6.0)
    assert found.row_tokens == (2, 3)
    assert (found.nats_per_token, found.tokens) == (2.0, 5)
    assert found.perplexity == pytest.approx(math.e**2)
    assert asker.no_likelihood == ""
    assert sum(told) == 2
    # The reference answer is shown only where it is scored, never where an answer is asked for.
    for body in server.seen:
        shown = body["messages"][-1]["role"] == "assistant"
        assert shown is ("prompt_logprobs" in body)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "this server gives no log-probabilities of a prompt"),
        ({"status": 400}, "HTTP 400"),
    ],
)
def test_where_a_server_does_not_say_the_reason_is_kept_and_it_is_asked_once(
    more: dict[str, Any], told: str
) -> None:
    counted: list[int] = []
    with ChatServer(lambda _: "x", **more) as server:
        asker = EndpointAsker(server.url, "m", max_new_tokens=7)
        rows = [_answer("one", "red lamp")] * 3
        assert asker.likelihood(rows, counted.append) is None
        assert asker.likelihood(rows, counted.append) is None
    assert told in asker.no_likelihood
    assert len(server.seen) == 1
    assert sum(counted) == 6


def test_a_server_whose_tokens_do_not_spell_the_answer_is_not_believed() -> None:
    """A template that rewrites the answer, or joins its first letters to what stands before."""
    with ChatServer(lambda _: "x", nats=lambda m: [1.0] * len(m[-1]["content"].split())) as server:
        asker = EndpointAsker(server.url, "m", max_new_tokens=7)
        assert asker.likelihood([_answer("one", "red  lamp")], lambda _: None) is None
    assert "cannot be told from" in asker.no_likelihood


def test_a_key_comes_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "of-my-server")
    with ChatServer(lambda _: "x") as server:
        EndpointAsker(server.url, "m", max_new_tokens=7).ask([example("q")], lambda: None)
    assert server.headers[0]["Authorization"] == "Bearer of-my-server"


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with ChatServer(lambda _: "direct") as server:
        said = EndpointAsker(server.url, "m", max_new_tokens=7).ask([example("q")], lambda: None)
    assert said.texts == ("direct",)


def test_a_redirect_is_not_followed() -> None:
    with (
        ChatServer(lambda _: "x", status=307) as server,
        pytest.raises(Problem, match="does not answer as") as caught,
    ):
        EndpointAsker(server.url, "m", max_new_tokens=7).ask([example("q")], lambda: None)
    assert "307" in caught.value.why


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:4860:4860::8888]", "1.1.1.1:443"])
def test_a_host_outside_of_the_own_network_is_refused(host: str) -> None:
    with pytest.raises(Problem, match="not on your network"):
        checked_url(f"http://{host}/v1")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "10.1.2.3", "192.168.0.7:80", "[::1]:8000", "100.64.1.1", "localhost"],
)
def test_a_host_of_the_own_network_is_taken(host: str) -> None:
    assert checked_url(f"http://{host}/v1/") == f"http://{host}/v1"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://", "names no host"),
        ("http://me:secret@127.0.0.1/v1", "more than a place"),
        ("http://127.0.0.1/v1?key=secret", "more than a place"),
        ("http://127.0.0.1:notaport/v1", "names no host"),
    ],
)
def test_a_url_that_is_none_is_told(url: str, told: str) -> None:
    with pytest.raises(Problem, match=told) as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


def test_a_host_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(Problem, match="is not known"):
        checked_url("http://nowhere.invalid/v1")


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Problem, match="does not answer") as caught:
        EndpointAsker("http://127.0.0.1:9/v1", None, max_new_tokens=7)
    assert "curl" in caught.value.cure


def test_a_whole_run_at_an_endpoint_decides_for_retrieval_and_answers_with_citations(
    live: Live, tmp_path: Path
) -> None:
    """A server that can read and knows nothing: documents win, and the kit asks it again."""
    _train, _ = write_handbook(tmp_path)
    documents = write_documents(tmp_path)
    with ChatServer(_reads, nats=_likelier_after_examples) as server:
        words = ["decide", "--data", "demo:handbook", "--documents", str(documents)]
        words += ["--model", server.url, "--rows", "12", "--json"]
        done = live(*words)
        found = json.loads(done.stdout)
        assert (found["verdict"], found["spoke"]) == ("rag", "measurement")
        assert "12 rows" in found["measurement"]
        (training,) = found["not_measured"]
        assert "cannot be trained" in training
        told = [r["rule"] for r in (*found["because"], *found["against"])]
        assert "measured.examples_help" in told
        run = found["next_step"]["command"].removeprefix("tunewright ask ")
        (place,) = (live.home / "runs").iterdir()
        assert place.name == run
        assert json.loads((place / "results" / "evidence.json").read_text())["served_as"] == (
            "served-model"
        )
        answers = json.loads(
            live("ask", run, "Where does", "the Xonor pump stand?", "--json").stdout
        )
        assert len(answers) == 1
        assert answers[0]["cites"][0]["place"].partition(":")[0].endswith(".md")
        again = live("--replay", str(place / "session.json"), "--json")
        assert json.loads(again.stdout)["comparison"]["equal"]
        assert "figures equal" in again.stderr


def _likelier_after_examples(messages: Messages) -> list[float]:
    return [4.0 / len(messages)] * len(messages[-1]["content"].split())


def _reads(messages: Messages) -> str:
    """The first passage's answer to the question, where there is a passage."""
    text = messages[-1]["content"]
    if not text.startswith("["):
        return "I do not know"
    question = text.rsplit("\n", 1)[-1]
    name = (
        question.split(" the ")[-1].split("?")[0].removesuffix(" stand").removesuffix(" serviced")
    )
    passage = next((line for line in text.splitlines() if f"The {name} stands" in line), "")
    if not passage:
        return "I do not know"
    if question.startswith("Where"):
        return passage.split("stands in ")[1].split(".")[0]
    if question.startswith("How"):
        return passage.split("serviced ")[1].split(", and")[0]
    if question.startswith("Who"):
        return passage.split("done by ")[1].split(".")[0]
    return passage.rsplit("is the ", 1)[1].rstrip(".")
