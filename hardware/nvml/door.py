"""NVML asked by the name of its functions: a value, or `Refused` with a reason a person can read.

Structures and constants are those of the installed nvidia-ml-py; what an older driver or an older
nvidia-ml-py lacks is refused like any other question, so callers only ever see one kind of no.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

V = TypeVar("V")


class Refused(Exception):
    """NVML would not answer. `code` is its return code (nvml.h); None where it was not asked."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Missing(Refused):
    """This driver, or this nvidia-ml-py, does not have the question."""


class NotSupported(Refused):
    """The device has no such thing."""


class Lost(Exception):
    """The driver cannot reach the GPU any more: nothing else about it can be asked.

    Not a `Refused`, so that no handler of one question goes on with the next.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Door:
    """The library, loaded; `start` before asking and `stop` after. `waiting` has the function that
    each thread, by its name, asked last: the one that hangs when the thread does."""

    def __init__(self) -> None:
        """ImportError when nvidia-ml-py is not installed."""
        import pynvml

        self._library: Any = pynvml
        self.waiting: dict[str, str] = {}

    def start(self) -> None:
        self.call("nvmlInit")

    def stop(self) -> None:
        self.call("nvmlShutdown")

    def constant(self, name: str) -> Any:
        """A constant or a structure by its name; `Missing` for one that is newer."""
        try:
            value = getattr(self._library, name)
        except AttributeError as error:
            raise Missing(f"nvidia-ml-py here has no {name}") from error
        # NVML_P2P_CAPS_INDEX_READ is a tuple of one in nvidia-ml-py, by a stray comma.
        return value[0] if isinstance(value, tuple) else value

    def call(self, function: str, *arguments: Any, **keywords: Any) -> Any:
        """What `function` returns; `Refused` when it will not."""
        query = self.constant(function)
        self.waiting[threading.current_thread().name] = function
        try:
            return query(*arguments, **keywords)
        except self._library.NVMLError as error:
            raise self._refusal(error) from error
        except UnicodeDecodeError as error:
            raise Refused(f"the driver's answer is not text: {error.reason}") from error

    def first(self, *questions: tuple[Any, ...]) -> Any:
        """The answer to the first question (function, arguments…) that driver and binding have."""
        missing: Missing | None = None
        for function, *arguments in questions:
            try:
                return self.call(function, *arguments)
            except Missing as error:
                missing = missing or error
        raise missing or Missing("nothing was asked")

    def _refusal(self, error: Any) -> Refused | Lost:
        nvml, code = self._library, int(error.value)
        if code in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED):
            return Lost(f"NVML says: {error}")
        if code == nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            return Missing("this driver is too old to say", code)
        kinds: dict[int, type[Refused]] = {
            nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: Missing,
            nvml.NVML_ERROR_NOT_SUPPORTED: NotSupported,
        }
        return kinds.get(code, Refused)(f"NVML says: {error}", code)

    def failed_with(self, refusal: Refused, constant: str) -> bool:
        """Whether the refusal's code is the one of that name."""
        return refusal.code is not None and refusal.code == self.constant(constant)


class Device:
    """One device, asked field by field."""

    def __init__(self, door: Door, handle: Any) -> None:
        self.door = door
        self.handle = handle
        self.unknown: dict[str, str] = {}

    def section(self) -> Device:
        """The same device with reasons of its own, for one part of the answer."""
        return Device(self.door, self.handle)

    def ask(self, field: str, function: str, *arguments: Any, older: str | None = None) -> Any:
        """The answer of `function` (or of the `older` one that takes the same arguments), or None
        with the reason in `unknown[field]`. `Lost` is raised: no other question has an answer."""
        questions = [(function, self.handle, *arguments)]
        if older is not None:
            questions.append((older, self.handle, *arguments))
        return self.put(field, lambda: self.door.first(*questions))

    def put(self, field: str, query: Callable[[], V]) -> V | None:
        """What `query` returns, or None with the reason in `unknown[field]`."""
        try:
            return query()
        except Refused as refusal:
            self.unknown[field] = refusal.reason
            return None

    def flag(self, field: str, function: str) -> bool | None:
        """A function whose answer is enabled or disabled."""
        value = self.ask(field, function)
        return None if value is None else bool(value)
