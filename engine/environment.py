"""What decides whether two runs can give equal digits: versions, CPU features, platform."""

from __future__ import annotations

import platform

from tunewright.engine.session import Environment
from tunewright.hardware.snapshot import Host

# Those whose code computes, orders or draws numbers; a changed renderer changes no loss.
PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "jinja2",
    "numpy",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "tunewright",
)


def read_environment(host: Host, device: str | None = None) -> Environment:
    """The environment of this interpreter on this host; packages that are absent are left out."""
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}".lower(),
        packages=packages,
        cpu_features=host.cpu_features,
        device=device,
        cpu_model=host.cpu_model,
    )


def needed_packages(*, training: bool = True, evidence: bool = False) -> tuple[str, ...]:
    """Packages of the `[train]` extra that a worker cannot do without. `training`: those that load
    and train a model; `evidence`: those that retrieve and score."""
    needed: tuple[str, ...] = ()
    if training:
        needed += ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
    if evidence:
        needed += ("bm25s", "sacrebleu", "rouge_score")
    return needed


def missing_training_packages(*, training: bool = True, evidence: bool = False) -> list[str]:
    """Those of `needed_packages` that this interpreter lacks; found without importing them."""
    from importlib.util import find_spec

    needed = needed_packages(training=training, evidence=evidence)
    return [name for name in needed if find_spec(name) is None]
