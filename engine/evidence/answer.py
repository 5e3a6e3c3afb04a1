"""Answering questions with what an evidence run has left: its prompt, its index, its model.

Run as `python -m tunewright.engine.evidence.answer RUN_DIR [URL]`: one question a line in (JSON
text), one answer a line out (JSON). A process of its own, since it loads the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tunewright.engine.data.example import Example, Message, Place
from tunewright.engine.evidence.arms import ArmPlan, Prompted, Prompts, fit
from tunewright.engine.evidence.asker import Asker
from tunewright.engine.evidence.decision import KIT
from tunewright.engine.evidence.given import is_endpoint
from tunewright.engine.evidence.index import Index
from tunewright.engine.evidence.kit import INDEX, PROMPT, PromptKit
from tunewright.engine.evidence.passages import Passage
from tunewright.engine.run.rundir import RunDir
from tunewright.engine.session import Session, load_session
from tunewright.hardware.errors import Problem

_NOWHERE = Place("question", 1)


class Cited(msgspec.Struct, frozen=True):
    """A passage that stood in the prompt: its number there, where it comes from, its text."""

    number: int
    place: str
    text: str


class Answered(msgspec.Struct, frozen=True):
    """One answer, with what it was given to go by."""

    question: str
    answer: str
    cites: tuple[Cited, ...]
    prompt_tokens: int | None
    seconds: float | None


class Answerer:
    """Asks as the best arm of the run did."""

    def __init__(self, kit: PromptKit, index: Index | None, asker: Asker) -> None:
        self._kit, self._index, self._asker = kit, index, asker
        train = [Example(messages, _NOWHERE) for messages in kit.train]
        prompts = Prompts(kit.instruction, train, kit.fixed, plain=asker.plain)
        passages: tuple[Passage, ...] = index.passages if index else ()
        build: Callable[[Example, int, int], Prompted]
        if kit.kind == "retrieve":
            assert index is not None
            build = prompts.with_passages(index, passages, of_rows=kit.of_rows)
        elif kit.kind == "nearest":
            assert index is not None
            build = prompts.with_nearest(index)
        else:
            build = {
                "alone": prompts.as_is,
                "instructed": prompts.instructed,
                "fixed": prompts.with_fixed,
            }[kit.kind]
        self._plan = ArmPlan(kit.arm, kit.title, "prompting", build, kit.shots, kit.passages)

    def answer(self, question: str) -> Answered:
        """The answer to one question, with citations where passages were retrieved. A `Problem`
        when even the question alone has no room."""
        turns = [Message("user", question), Message("assistant", "")]
        if self._kit.system:
            turns.insert(0, Message("system", self._kit.system))
        made = fit(self._plan, Example(tuple(turns), _NOWHERE), self._asker.fits)
        if made is None:
            raise Problem(
                "the question has no room in the model's context",
                why=f"it has {len(question):,} characters",
                cure="shorten it",
            )
        said = self._asker.ask([made.example], lambda: None)
        return Answered(
            question,
            said.texts[0],
            self._cited(made.retrieved) if self._kit.kind == "retrieve" else (),
            said.prompt_tokens[0] if said.prompt_tokens else None,
            said.latency_seconds,
        )

    def _cited(self, places: tuple[int, ...]) -> tuple[Cited, ...]:
        assert self._index is not None
        found = [self._index.passages[place] for place in places]
        return tuple(Cited(n, p.place, p.text) for n, p in enumerate(found, 1))


def open_kit(run_dir: Path) -> tuple[PromptKit, Index | None]:
    """The kit of a run; a `Problem` when the run has none."""
    path = run_dir / KIT / PROMPT
    try:
        kit = msgspec.json.decode(path.read_bytes(), type=PromptKit)
    except (OSError, msgspec.DecodeError) as error:
        raise Problem(
            f"{run_dir.name} has nothing to answer with",
            why=f"{path}: {error}",
            cure="measure first: tunewright decide --data DATA --model MODEL",
        ) from error
    folder = run_dir / KIT / INDEX
    return kit, Index.open(folder) if folder.is_dir() else None


def open_answerer(run_dir: Path, at: str | None = None) -> Answerer:
    """Whoever answers for a run: the server at the URL `at`, that which was measured, or the model
    of its folder."""
    kit, index = open_kit(run_dir)
    session = load_session(RunDir(run_dir).session)
    return Answerer(kit, index, _asker(session, run_dir, kit, at))


def _asker(session: Session, run_dir: Path, kit: PromptKit, at: str | None) -> Asker:
    if at is not None or is_endpoint(session.inputs.model):
        from tunewright.engine.evidence.endpoint import EndpointAsker

        given = session.inputs.evidence
        served_as = given.served_as if given and at is None else None
        url = session.inputs.model if at is None else at
        return EndpointAsker(url, served_as, max_new_tokens=kit.max_new_tokens)
    from tunewright.engine.data.tokens import Renderer
    from tunewright.engine.evidence.local import LocalAsker
    from tunewright.engine.homes import cache_home
    from tunewright.engine.model import resolve_model
    from tunewright.engine.prove.threads import Threads
    from tunewright.engine.train.loading import load_base
    from tunewright.engine.train.threads import recorded_threads
    from tunewright.engine.train.trainer import quiet_libraries

    quiet_libraries()
    plan = session.plan
    assert plan is not None
    folder = resolve_model(session.inputs.model, run_dir, cache_home())
    model: Any = load_base(
        folder,
        plan.device.value,
        dtype=plan.value("model.dtype"),
        attention=plan.value("model.attn_implementation"),
        quantization=plan.group("quantization"),
    ).eval()
    known = recorded_threads(run_dir / "results")
    threads = Threads(known.get("prefill", 1), known["decode"]) if "decode" in known else None
    recorded = session.recorded
    return LocalAsker(
        model,
        Renderer.open(folder, session.inputs.data.date),
        max_new_tokens=kit.max_new_tokens,
        batch_size=1,
        context=recorded.model.max_position_embeddings if recorded else None,
        threads=threads,
        between=lambda: None,
    )


def main(run_dir: str, at: str | None = None) -> int:
    try:
        answerer = open_answerer(Path(run_dir), at)
    except Problem as problem:
        return _told(problem)
    for line in sys.stdin:
        try:
            answered = answerer.answer(msgspec.json.decode(line, type=str))
        except Problem as problem:
            return _told(problem)
        sys.stdout.write(msgspec.json.encode(answered).decode() + "\n")
        sys.stdout.flush()
    return 0


def _told(problem: Problem) -> int:
    told = {"what": problem.what, "why": problem.why, "cure": problem.cure}
    sys.stdout.write(msgspec.json.encode({"problem": told}).decode() + "\n")
    return int(problem.exit)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
