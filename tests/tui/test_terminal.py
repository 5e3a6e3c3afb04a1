"""The real program in a real terminal: colours, ASCII, sizes, the first frame, no terminal."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from live import PROGRAM, Live
from runs import ending, step, write_run
from screens import write_session
from terminal import Terminal
from tiny import TinyData

from tunewright.engine.session import load_session
from tunewright.tui.workbench import Place

Open = Callable[..., Terminal]
# Select Graphic Rendition: the parameters of every change of style.
_SGR = re.compile(rb"\x1b\[([0-9;]*)m")


# What would win over what the terminal itself says.
_SAID = ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "LC_ALL", "LC_CTYPE")


@pytest.fixture
def opened(
    live: Live,
    tmp_path: Path,
    tiny_model: Path,
    tiny_data: TinyData,
    monkeypatch: pytest.MonkeyPatch,
) -> Open:
    session = write_session(tmp_path / "session", tiny_model, tiny_data)
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(live.home))
    steps = [step(number) for number in range(1, 101)]
    run = write_run(live.home, tiny_model, tiny_data, steps, ended=ending("done"))
    place = session.with_name("session.place.json")
    place.write_bytes(msgspec.json.encode(Place(run=str(run.path))))

    def start(*words: str, columns: int = 80, lines: int = 24, **environment: str) -> Terminal:
        base = {k: v for k, v in os.environ.items() if k not in _SAID}
        base |= {"TUNEWRIGHT_HOME": str(live.home), "LANG": "C.UTF-8", **environment}
        return Terminal([PROGRAM, "--session", str(session), *words], base, columns, lines)

    return start


def codes(terminal: Terminal) -> set[int]:
    """All style parameters that were sent."""
    return {int(p) for found in _SGR.findall(terminal.sent) for p in found.split(b";") if p}


# Bold, dim, italic, underline, reverse, and their ends.
PLAIN = {0, 1, 2, 3, 4, 7, 22, 23, 24, 27}
FRONTS, BACKS = {*range(30, 38), *range(90, 98)}, {*range(40, 48), *range(100, 108)}
SIXTEEN = {*FRONTS, *BACKS, 39, 49}


def test_no_color_sends_none(opened: Open) -> None:
    with opened(NO_COLOR="1") as terminal:
        terminal.until("tiny │")
        for key in "5679":
            terminal.press(key)
            terminal.read(1)
        assert b"DONE" in terminal.sent
        assert codes(terminal) <= PLAIN | {39, 49}
        terminal.press("q")
        assert terminal.ended() == 0


def test_sixteen_colours_are_enough(opened: Open) -> None:
    with opened(TERM="xterm-16color") as terminal:
        terminal.until("tiny │")
        for key in "23456789":
            terminal.press(key)
            terminal.read(0.7)
        assert codes(terminal) <= PLAIN | SIXTEEN


def test_a_screen_without_unicode_has_none(opened: Open) -> None:
    with opened("--ascii") as terminal:
        terminal.until("tiny |")
        for key in "123456789?":
            terminal.press(key)
            terminal.read(0.5)
            assert terminal.shown.isascii(), terminal.shown


@pytest.mark.parametrize(
    "said",
    [
        {"LANG": "C"},
        {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"},
        {"LANG": "de_DE.ISO-8859-1"},
        {"TERM": "linux"},
    ],
    ids=str,
)
def test_a_terminal_that_says_it_has_no_unicode_is_believed(
    opened: Open, said: dict[str, str]
) -> None:
    with opened(**said) as terminal:
        terminal.until("tiny |")
        for key in "569?":
            terminal.press(key)
            terminal.read(0.5)
        # From the first frame on.
        assert terminal.sent.isascii()


@pytest.mark.parametrize("said", [{"LANG": ""}, {"LC_CTYPE": "C.UTF-8", "LANG": "C"}], ids=str)
def test_a_terminal_that_says_nothing_is_a_terminal_of_today(
    opened: Open, said: dict[str, str]
) -> None:
    with opened(**said) as terminal:
        terminal.until("tiny │")


def test_the_first_frame_takes_keys_before_the_app_is_there(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("opening")
        terminal.press("q")
        assert terminal.ended() == 0
        assert b"\x1b[?1049l" in terminal.sent


def test_keys_typed_early_reach_the_app(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("opening")
        terminal.press("2")
        terminal.until("[2 Goal]")


def test_a_terminal_may_shrink_to_one_cell_and_grow_again(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("[1 Machine]")
        terminal.resize(1, 1)
        terminal.read(1)
        terminal.resize(39, 11)
        terminal.until("39x11: needs 40x12")
        terminal.resize(80, 24)
        terminal.until("enter next")
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize(("columns", "lines"), [(40, 12), (60, 20), (120, 40)])
def test_every_size_keeps_the_path_and_the_commands(opened: Open, columns: int, lines: int) -> None:
    with opened(columns=columns, lines=lines) as terminal:
        terminal.until("enter next")
        terminal.until("[1 Machine]")
        # The foot is drawn last.
        terminal.until("q quit")
        assert "q quit" in terminal.shown.splitlines()[-1]


@pytest.mark.parametrize("key", "123456789")
def test_every_pane_survives_one_cell(opened: Open, key: str) -> None:
    with opened() as terminal:
        terminal.until("[1 Machine]")
        terminal.press(key)
        terminal.until(f"[{key} ")
        for size in ((1, 1), (39, 11), (2, 50), (200, 2)):
            terminal.resize(*size)
            terminal.read(0.3)
        terminal.resize(80, 24)
        terminal.until(f"[{key} ")
        terminal.until("q quit")
        if key == "2":
            # Goal asks for a sentence, in which q is a letter.
            terminal.press("1")
            terminal.until("[1 Machine]")
        terminal.press("q")
        assert terminal.ended() == 0


# Any of them makes the terminal send what the mouse does.
MOUSE = (b"\x1b[?1000h", b"\x1b[?1002h", b"\x1b[?1003h", b"\x1b[?1006h", b"\x1b[?1015h")


@pytest.mark.parametrize("words", [(), ("--mouse",)], ids=["unless-asked", "asked"])
def test_over_ssh_the_mouse_is_left_alone_unless_asked_for(
    opened: Open, words: tuple[str, ...]
) -> None:
    with opened(
        *words, SSH_CONNECTION="10.0.0.1 5000 10.0.0.2 22", SSH_TTY="/dev/pts/9"
    ) as terminal:
        terminal.until("[1 Machine]")
        terminal.until("q quit")
        terminal.until("tiny │")
        assert any(sequence in terminal.sent for sequence in MOUSE) is bool(words)


def test_what_is_copied_reaches_the_clipboard_of_the_terminal(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        terminal.press("3")
        # The marked row, in the box below the list.
        terminal.until("assistant {")
        terminal.press("y")
        terminal.until("copied")
        sent = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)(?:\x07|\x1b\\\\)", terminal.sent)
        assert len(sent) == 1
        copied = base64.b64decode(sent[0]).decode()
        assert f"copied {len(copied):,} characters" in terminal.shown
        user, _, answer = copied.partition("\n\n")
        assert user.startswith("user: ")
        assert answer.startswith("assistant: ")
        for turn in (user, answer):
            # The row as it stands in the box below the list.
            assert turn.partition(": ")[2][:20] in terminal.shown


def test_a_dumb_terminal_is_told_what_helps(opened: Open) -> None:
    with opened(TERM="dumb") as terminal:
        assert terminal.ended() == 2
        assert "--plain" in terminal.shown


def test_without_a_terminal_it_says_what_helps(live: Live) -> None:
    told = live(code=2).stderr
    assert "--replay" in told
    assert "--plain" in told


def test_plain_questions_need_no_terminal_and_leave_on_the_end_of_input(live: Live) -> None:
    told = live("--plain").stdout
    assert "Machine" in told
    assert "Goal" in told
    # Its rows answer what the demo's person left open; nothing is asked after the first field.
    assert "How many good examples are there" not in told
    assert "584 examples" in told
    assert "Fine-tuning (provisional until measured" in told
    assert "file [demo:orders]" in told
    assert "\nModel\n" not in told
    assert "goes on here" in told
    assert "\x1b" not in told


def plain_walk(live: Live, session: Path, said: str) -> subprocess.CompletedProcess[str]:
    """The plain questions over a pipe, answered with `said`."""
    return subprocess.run(
        [PROGRAM, "--plain", "--session", str(session)],
        env={**live.environment, "LANG": "C.UTF-8"},
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_plain_questions_walk_the_same_path_over_a_pipe(
    live: Live, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    session = write_session(tmp_path / "session", tiny_model, tiny_data)
    # A goal, a slip, nothing claimed from there on, rows and model as they stand, no launch.
    said = "sort mail\nseven\nback\nsort the mail\n" + "\n" * 12 + "no\n"
    done = plain_walk(live, session, said)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout
    heads = re.findall(r"^(Machine|Goal|Data|Model|Method|Train)$", done.stdout, re.MULTILINE)
    assert heads == ["Machine", "Goal", "Data", "Model", "Method", "Train"]
    assert "a number from 1 to 2, or back" in done.stdout
    assert done.stdout.count("What should the model do?") == 2
    assert "goes on here" in done.stdout
    answers = load_session(session).inputs.answers
    assert answers is not None
    assert (answers.goal, answers.prompting) == ("sort the mail", "untried")


def test_plain_questions_go_back_from_every_step(
    live: Live, tmp_path: Path, tiny_model: Path, tiny_data: TinyData
) -> None:
    session = write_session(tmp_path / "session", tiny_model, tiny_data)
    # The goal and three questions of it; file, model and method as they stand.
    # From the launch to the method, from there to the file, and to the last answer of Goal.
    said = "sort mail\n" + "\n" * 6 + "back\nback\nback\n"
    done = plain_walk(live, session, said)
    heads = re.findall(r"^(Machine|Goal|Data|Model|Method|Train)$", done.stdout, re.MULTILINE)
    path = ["Machine", "Goal", "Data", "Model", "Method", "Train"]
    assert heads == [*path, "Method", "Data", "Goal"], done.stdout + done.stderr
    assert done.stdout.rindex("(asked because") > done.stdout.rindex("\nGoal\n")
    assert " MODEL" not in done.stdout
    assert " DATA" not in done.stdout
    assert "--json" not in done.stdout
    assert f"reasons: {session}" in done.stdout


def test_plain_questions_are_no_data(live: Live) -> None:
    told = json.loads(live("--plain", "--json", code=2).stdout)
    assert "--plain and --json" in json.dumps(told)


def test_the_screen_process_never_imports_the_training_stack(opened: Open, live: Live) -> None:
    probe = live.home.parent / "sitecustomize.py"
    probe.write_text(
        "import atexit, os, sys\n"
        "def tell():\n"
        "    open(os.environ['TOLD'], 'w').write('\\n'.join(sys.modules))\n"
        "atexit.register(tell)\n"
    )
    told = live.home.parent / "modules.txt"
    with opened(PYTHONPATH=str(probe.parent), TOLD=str(told)) as terminal:
        terminal.until("tiny │")
        # Goal (2) may ask for a sentence, and then takes every key.
        for key in "13456789":
            terminal.press(key)
            terminal.read(0.6)
        terminal.press("q")
        assert terminal.ended() == 0
    imported = set(told.read_text().split())
    assert "textual" in imported
    assert not imported & {"torch", "transformers", "trl", "datasets", "peft", "accelerate"}


def test_what_something_else_wrote_over_is_drawn_anew(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        terminal.read(1)
        terminal.feed(b"\x1b[3;1Hwall: the machine goes down at noon")
        assert "at noon" in terminal.shown
        terminal.press("\x0c")
        while "at noon" in terminal.shown:
            assert terminal.read(5)


def test_a_terminal_that_nobody_reads_does_not_hold_up_the_screen(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        # Enough panes to fill every buffer, were they all sent: 40 times 2 KB.
        for _ in range(20):
            terminal.press("69")
        terminal.press("5")
        sent = len(terminal.sent)
        terminal.until("[5 Method]")
        terminal.read(1)
        assert len(terminal.sent) - sent < 40 * 2_000


def test_escape_and_a_key_that_arrive_together_are_both_obeyed(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        terminal.press("6?")
        terminal.until("How is it going?")
        terminal.press("\x1b9")
        terminal.until("[9 Runs]")
        terminal.press("/")
        terminal.until("find; esc closes")
        terminal.press("\x1b6")
        terminal.until("[6 Train]")
        terminal.press("\x10")
        terminal.until("a command or a step")
        terminal.press("\x1bq")
        assert terminal.ended() == 0


def test_a_pasted_megabyte_leaves_the_screen_answering(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        terminal.press("2")
        terminal.until("What should the model do?")
        pasted = ("\x1b[200~" + "[b]ab cd " * 111_000 + "\x1b[201~").encode()
        while pasted:
            pasted = pasted[os.write(terminal.master, pasted[:4096]) :]
            terminal.read(0)
        terminal.until("cd [b]ab")
        sent = len(terminal.sent)
        terminal.press("\r")
        terminal.until("live, or act")
        assert len(terminal.sent) - sent < 20_000


def test_ctrl_z_goes_to_the_shell_and_fg_comes_back(opened: Open) -> None:
    with opened() as terminal:
        words = " ".join(shlex.quote(word) for word in terminal.words)
    base = {"PS1": "shell: ", "PATH": os.environ["PATH"], **terminal.environment}
    with Terminal(["bash", "--norc", "--noprofile", "-i"], base) as shell:
        shell.until("shell:")
        shell.press(f"{words}\n")
        shell.until("tiny │")
        shell.press("9")
        shell.until("[9 Runs]")
        shell.press("\x1a")
        shell.until("Stopped")
        shell.press("echo in the $((1 + 1))nd\n")
        shell.until("in the 2nd")
        shell.press("fg\n")
        shell.until("[9 Runs]")
        shell.until("q quit")
        shell.press("5")
        shell.until("[5 Method]")
        shell.press("q")
        shell.until("shell:")
        shell.press("exit\n")
        assert shell.ended() == 0


def test_ctrl_z_without_a_shell_stops_nothing(opened: Open) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        terminal.press("\x1a")
        terminal.until("no shell waits")
        terminal.press("9")
        terminal.until("[9 Runs]")
        terminal.press("q")
        assert terminal.ended() == 0


def test_what_could_not_be_saved_is_told_at_once_and_again_when_leaving(
    opened: Open, tmp_path: Path
) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        shutil.rmtree(tmp_path / "session")
        (tmp_path / "session").write_text("no folder any more")
        terminal.press("3")
        terminal.until("NOT SAVED")
        terminal.press("q")
        assert terminal.ended() != 0
        assert "what was set last is not saved" in terminal.shown
        assert "Traceback" not in terminal.shown


def test_a_home_that_cannot_be_written_is_told_and_the_screens_still_open(
    live: Live, tiny_model: Path
) -> None:
    base = {k: v for k, v in live.environment.items() if k not in _SAID}
    base |= {"LANG": "C.UTF-8", "TUNEWRIGHT_HOME": "/proc/nowhere"}
    with Terminal([PROGRAM], base) as terminal:
        terminal.until("q quit")
        terminal.press("2")
        terminal.until("[2 Goal]")
        terminal.until("NOT SAVED")
        terminal.press("9")
        terminal.until("[9 Runs]")
        terminal.press("q")
        assert terminal.ended() != 0
        assert "Traceback" not in terminal.shown


@pytest.mark.parametrize(
    ("background", "unreadable"),
    [("0;15", {37, 97, 40, 100}), ("15;0", {30, 47, 107})],
    ids=["light", "dark"],
)
def test_nothing_is_written_in_the_colour_of_the_background(
    opened: Open, background: str, unreadable: set[int]
) -> None:
    with opened(COLORFGBG=background, TERM="xterm-16color") as terminal:
        terminal.until("tiny │")
        for key in "123456789?\x1b\x10":
            terminal.press(key)
            terminal.read(0.5)
        # A cursor has both colours of its own; whatever leaves one to the terminal must suit it.
        for sequence in _SGR.findall(terminal.sent):
            said = {int(p) for p in sequence.split(b";") if p}
            assert not said & unreadable or (said & FRONTS and said & BACKS), sequence


@pytest.mark.parametrize(
    ("keys", "text"),
    [("5?", "How, and does it fit?"), ("9x", "Delete"), ("\x10", "a command")],
    ids=["help", "ask", "palette"],
)
def test_every_box_survives_one_cell(opened: Open, keys: str, text: str) -> None:
    with opened() as terminal:
        terminal.until("tiny │")
        for key in keys:
            terminal.press(key)
            terminal.read(1)
        terminal.until(text)
        for size in ((1, 1), (39, 11), (2, 50), (200, 2), (200, 60)):
            terminal.resize(*size)
            terminal.read(0.3)
        terminal.resize(80, 24)
        terminal.until(text)
        terminal.press("\x1b")
        terminal.press("1")
        terminal.until("[1 Machine]")
        terminal.press("q")
        assert terminal.ended() == 0
