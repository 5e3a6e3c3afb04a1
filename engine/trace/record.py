"""Seeing every storage of a running step: a dispatch mode that writes the log. Worker only."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from tunewright.engine.trace.log import Block, Born, Family, Freed, Trace

# Phases in which layers run from the first to the last; a backward pass may run them again.
_PASSES = ("forward", "reference")


class Recorder(TorchDispatchMode):  # type: ignore[misc]
    """Logs each storage that an operation returns, until Python lets go of it.

    Temporaries inside a kernel are not seen; those that matter are made visible by `stand_ins`:
    operation → function that makes them, or returns NotImplemented. What a storage is called comes
    from the module that runs, and in the backward pass from the node of autograd's graph.
    """

    def __init__(self, stand_ins: dict[Any, Callable[..., Any]] | None = None) -> None:
        super().__init__()
        self._stand_ins = stand_ins or {}
        self.blocks: list[Block] = [Block("start", None, [])]
        self.family: Family = "activations"
        self._modules: list[str] = []
        self._blind = False
        self._live: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._next = 0

    def enter(self, phase: str, layer: int | None = None) -> None:
        """What happens from here on belongs to `phase` and `layer`."""
        self.blocks.append(Block(phase, layer, []))

    @property
    def phase(self) -> str:
        return self.blocks[-1].phase

    @contextmanager
    def of(self, family: Family) -> Iterator[None]:
        """Storages born in here are of `family`."""
        before, self.family = self.family, family
        try:
            yield
        finally:
            self.family = before

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Storages born in here are not on the device."""
        self._blind = True
        try:
            yield
        finally:
            self._blind = False

    def id_of(self, tensor: Any) -> int | None:
        """The id of the storage behind a tensor, None for one that was never seen."""
        found = self._live.get(tensor.untyped_storage()._cdata)
        return None if found is None else found[1]

    def add(self, tensor: Any, name: str) -> None:
        """Log the storage of a tensor unless it is known."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if not size or self._blind or key in self._live:
            return
        id, self._next = self._next, self._next + 1
        self.blocks[-1].events.append(Born(id, size, self.family, name))
        self._live[key] = (weakref.ref(storage, self._freed(key, id)), id)

    def forget(self, tensor: Any) -> None:
        """Log that the storage behind a tensor is given back, though the tensor lives on."""
        found = self._live.pop(tensor.untyped_storage()._cdata, None)
        if found is not None:
            self.blocks[-1].events.append(Freed(found[1]))

    def _freed(self, key: int, id: int) -> Callable[[Any], None]:
        def freed(_: Any) -> None:
            del self._live[key]
            self.blocks[-1].events.append(Freed(id))

        return freed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = NotImplemented
        if func in self._stand_ins:
            with self:
                result = self._stand_ins[func](*args, **(kwargs or {}))
        if result is NotImplemented:
            result = func(*args, **(kwargs or {}))
        # Of bitsandbytes' operations only unpacking returns anything.
        unpacks = getattr(func, "namespace", "") == "bitsandbytes"
        with self.of("dequantise" if unpacks else self.family):
            for item in tree_iter(result):
                if isinstance(item, torch.Tensor):
                    self.add(item, self._name(func))
        return result

    def _name(self, func: Any) -> str:
        node = torch._C._current_autograd_node()
        where = self._modules[-1] if self._modules else ""
        if node is not None and not self._modules:
            where = f"backward of {self.blocks[-1].layer}" if self.blocks[-1].layer else "backward"
            return f"{where} {node.name().removesuffix('Backward0')}"
        return f"{where} {func._opname if hasattr(func, '_opname') else func}".strip()

    def watch_modules(self, model: Any, prefix: str = "") -> None:
        """Follow which module of `model` runs, through hooks on all of them; names get `prefix`."""
        for name, module in model.named_modules(prefix=prefix):

            def enters(_: Any, __: Any, name: str = name) -> None:
                self._modules.append(name)

            def leaves(*_: Any) -> None:
                self._modules.pop()

            module.register_forward_pre_hook(enters)
            module.register_forward_hook(leaves, always_call=True)

    def watch_layers(self, layers: Any) -> None:
        """Start a block at each border between decoder layers, forward and backward."""
        last = len(layers) - 1

        def into(phase: str, layer: int | None, family: Family) -> None:
            self.enter(phase, layer)
            self.family = family

        def border(tensor: Any, phase: str, forward: int | None, backward: int | None) -> None:
            # What follows the last layer, up to its gradient, is the loss.
            into(phase, forward, "loss" if forward is None else "activations")
            if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
                back = phase.replace("forward", "backward")
                tensor.register_hook(lambda _: into(back, backward, "activations"))

        for index, layer in enumerate(layers):

            def enters(_: Any, args: Any, kwargs: Any, index: int = index) -> None:
                hidden = args[0] if args else kwargs.get("hidden_states")
                if self.phase.startswith(_PASSES):
                    border(hidden, self.phase, index, index - 1 if index else None)

            def leaves(_: Any, __: Any, output: Any) -> None:
                hidden = output if isinstance(output, torch.Tensor) else output[0]
                if self.phase.startswith(_PASSES):
                    border(hidden, self.phase, None, last)

            layer.register_forward_pre_hook(enters, with_kwargs=True)
            if index == last:
                layer.register_forward_hook(leaves)

    def trace(self, gradients: dict[str, int]) -> Trace:
        """What was logged so far; what is freed later, with the model, is not in it."""
        copied = [Block(b.phase, b.layer, list(b.events)) for b in self.blocks if b.events]
        return Trace(copied, gradients)
