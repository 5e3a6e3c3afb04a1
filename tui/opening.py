"""Opening the screens: a plain first frame at once, then Textual.

Textual takes half a second to import. Until then a frame of plain text stands on the screen, with
the devices that the kernel names and the runs whose lock is held, and keys are already taken: `q`
leaves, the others are handed to the app. Nothing here imports msgspec, psutil or NVML.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import select
import sys
import termios
import threading
import tty
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from textual.events import Key

_PATH = "Machine  Goal  Data  Model  Method  Train  Prove  Ship"


def frame(width: int, height: int) -> str:
    """The first frame as text with cursor movements; it fits into the terminal."""
    lines = [f" tunewright   {_PATH}", ""]
    lines += [f" {line}" for line in devices()]
    running = running_runs()
    lines += [""] + [f" running: {name}" for name in running] if running else [""]
    lines += [" opening ..."]
    shown = [line[: max(1, width - 1)] for line in lines[: max(1, height - 1)]]
    return "\x1b[?1049h\x1b[2J\x1b[H" + "\r\n".join(shown)


def devices(root: Path = Path("/")) -> list[str]:
    """The GPUs as the kernel's driver names them, and the memory: text files, no library."""
    found: list[str] = []
    for file in sorted(root.glob("proc/driver/nvidia/gpus/*/information")):
        with contextlib.suppress(OSError):
            for line in file.read_text(errors="replace").splitlines():
                if line.startswith("Model:"):
                    found.append(f"GPU{len(found)}  {_printable(line.partition(':')[2].strip())}")
    if not found:
        found.append("no NVIDIA GPU: sizing, data checks and small models still work")
    with contextlib.suppress(OSError, ValueError, IndexError):
        memory = (root / "proc/meminfo").read_text().partition("MemAvailable:")[2]
        found.append(f"RAM   {int(memory.split()[0]) / 2**20:.1f} GiB available")
    return found


def running_runs() -> list[str]:
    """Ids of the runs on this host whose supervisor holds the lock."""
    from tunewright.engine.homes import index_home
    from tunewright.engine.run.lock import is_locked

    running = []
    with contextlib.suppress(OSError):
        for entry in sorted(index_home().iterdir()):
            with contextlib.suppress(OSError):
                folder = Path(os.fsdecode(entry.read_bytes()).strip())
                if is_locked(folder / "lock"):
                    running.append(_printable(entry.name))
    return running


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


class Typed:
    """Reads keys while the app is being imported."""

    def __init__(self, descriptor: int) -> None:
        self._in = descriptor
        self._before = termios.tcgetattr(descriptor)
        self._typed = b""
        # Closing the second end wakes the thread: whoever waits for it waits for nothing else.
        self._wake: int | None
        self._woken, self._wake = os.pipe()
        tty.setcbreak(descriptor)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._in, self._woken], [], [])
            if self._woken in ready:
                return
            typed = os.read(self._in, 1024)
            if not typed:
                return
            # Behind another key it may belong into a field.
            if not self._typed and typed in (b"q", b"\x04"):
                self._give_back()
                sys.stdout.write("\x1b[?1049l")
                sys.stdout.flush()
                os._exit(0)
            self._typed += typed

    def taken(self) -> list[Key]:
        """The keys so far; nothing more is read."""
        self._stop()
        return keys_of(self._typed)

    def _stop(self) -> None:
        if self._wake is not None:
            os.close(self._wake)
            self._wake = None
            self._thread.join()
            os.close(self._woken)

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._stop()
        self._give_back()

    def _give_back(self) -> None:
        termios.tcsetattr(self._in, termios.TCSANOW, self._before)


# One key: a whole escape sequence, or one that was cut off, or a character.
_KEY = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]?|.", re.DOTALL)


def keys_of(typed: bytes) -> list[Key]:
    """The keys in raw input as Textual gives them; a sequence that it does not know is dropped."""
    from textual._xterm_parser import XTermParser
    from textual.events import Key

    keys: list[Key] = []
    # The terminal still sends a line feed for enter.
    for piece in _KEY.findall(typed.decode(errors="replace").replace("\n", "\r")):
        parser = XTermParser()
        told = [*parser.feed(piece), *parser.feed("")]
        # What is not known comes as a key for each of its characters: digits would jump.
        if len(told) == 1:
            keys += [key for key in told if isinstance(key, Key)]
    return keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the screens."""
    parser.add_argument("--session", type=Path, metavar="FILE", help="open this session.json")
    parser.add_argument(
        "--plain", action="store_true", help="ask the same as plain questions, line by line"
    )
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    parser.add_argument("--mouse", action="store_true", help="take the mouse; off, since over SSH")
    parser.add_argument(
        "--notify", metavar="CMD", help="run this command when a run ends; RUN and STATE are set"
    )


def check_terminal() -> None:
    """A `Problem` where no screen can be drawn, with the flag that helps."""
    from tunewright.hardware.errors import Problem

    # Textual draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise Problem(
            "there is no terminal here to open the screens in",
            why="input, output or error output is a pipe or a file",
            cure="tunewright --plain asks the same line by line; "
            "tunewright --replay SESSION runs a session",
        )
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise Problem(
            "this terminal cannot draw screens",
            why=f"TERM is {os.environ.get('TERM', '')!r}",
            cure="tunewright --plain asks the same questions line by line",
        )


def open_screens(
    session: Path | None = None,
    *,
    alone: str | None = None,
    mouse: bool = False,
    plain_ascii: bool = False,
    notify: str | None = None,
    hardware: str | None = None,
) -> int:
    """Show the first frame, import the app, run it; the exit code. `hardware` describes a machine
    that is planned on instead of this one."""
    check_terminal()
    invented = None
    if hardware is not None:
        from tunewright.hardware.whatif import imagine

        invented = imagine(hardware)
    # Nothing that importing and composing makes is garbage; the app takes collecting up again.
    gc.disable()
    size = os.get_terminal_size(sys.stdout.fileno())
    typed = Typed(sys.stdin.fileno())
    try:
        sys.stdout.write(frame(size.columns, size.lines))
        sys.stdout.flush()

        from tunewright.tui.app import TunewrightApp
        from tunewright.tui.ascii import asked_for
        from tunewright.tui.workbench import Workbench

        app = TunewrightApp(
            Workbench.open(session, keeps=alone is None),
            alone=alone,
            plain_ascii=plain_ascii or asked_for(),
            notify=notify,
            keys=typed.taken(),
            invented=invented,
        )
    except BaseException:
        sys.stdout.write("\x1b[?1049l")
        sys.stdout.flush()
        raise
    finally:
        typed.close()
    code = app.run(mouse=mouse) or 0
    app.bench.saver.flush()
    if app.fault is not None:
        raise app.fault
    unsaved = app.bench.saver.trouble
    if unsaved is not None:
        from tunewright.hardware.errors import Problem

        raise Problem(
            "what was set last is not saved",
            why=f"{unsaved.strerror or unsaved}: {unsaved.filename or app.bench.path}",
            cure="make room there, or name another file: tunewright --session FILE",
        )
    return code
