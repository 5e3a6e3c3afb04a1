"""The catalogue says of each part what is published, and finds the part that a name means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tunewright.hardware.capability import abilities
from tunewright.hardware.catalogue import Part, catalogue, find_part, part_of
from tunewright.hardware.errors import Problem
from tunewright.hardware.snapshot import Gpu

GIB = 1 << 30
# Fused multiply-adds of one multiprocessor in one clock, 16-bit with 32-bit accumulation, dense:
# NVIDIA's architecture whitepapers, "Tensor Core" sections.
FMA = {7: 512, 8: 512, 9: 2048, 10: 4096, 12: 512}
PARTS = {part.name: part for part in catalogue()}


def test_every_family_is_there() -> None:
    assert len(catalogue()) >= 80
    assert len(PARTS) == len(catalogue())
    for name in (
        "V100 SXM2 16GB", "A100 SXM 80GB", "H100 SXM 80GB", "H200 SXM 141GB", "B200 SXM 180GB",
        "B300 SXM 270GB", "RTX 2060 6GB", "RTX 5090 32GB", "RTX A6000 48GB",
        "Jetson AGX Orin 64GB", "DGX Spark GB10 128GB",
    ):  # fmt: skip
        assert name in PARTS


@pytest.mark.parametrize("part", catalogue(), ids=lambda part: part.name)
def test_a_part_holds_together(part: Part) -> None:
    stated = int(re.search(r"(\d+)GB$", part.name)[1]) * 10**9  # type: ignore[index]
    # Vendors' GB lie between GB and GiB, ECC of GDDR takes a sixteenth, a Jetson keeps some back.
    assert 0.9 * stated < part.total_bytes < 1.075 * stated
    kept = 0.3 if part.unified else 0.1
    assert (1 - kept) * part.total_bytes < part.memory_bytes < part.total_bytes
    assert len(part.source) > 20
    # A page of the part itself, not the front door of a site.
    assert re.match(r"https://[\w.]+/\S+/\S+", part.page)
    assert part.watts > 0
    assert part.bandwidth > 50e9
    can = abilities(part.capability)
    assert (part.bf16_flops is not None) == can["bf16"]
    if part.fp8_flops is not None:
        assert can["fp8"]
        assert part.bf16_flops is not None
        assert part.fp8_flops == pytest.approx(2 * part.bf16_flops, rel=0.02)
    for profile in part.mig:
        assert profile.memory_bytes <= part.memory_bytes * 1.001
        share = part.memory_bytes * profile.memory_slices / part.mig_memory_slices
        assert profile.memory_bytes == pytest.approx(share, rel=0.14)
        assert profile.most * profile.memory_slices <= part.mig_memory_slices


def test_rates_are_those_of_the_multiprocessors_and_clock_that_are_published() -> None:
    import tomllib

    from tunewright.hardware import catalogue as module

    table = tomllib.loads(module._FILE.read_text())
    checked = 0
    for row in (row for group in table["parts"].values() for row in group):
        if "sms" not in row:
            continue
        major = int(row["cc"].partition(".")[0])
        fma = 1024 if row["cc"] == "8.0" else FMA[major]
        if row["nvml"].startswith("GeForce") or row["nvml"] == "A10G":
            fma //= 2
        rate = row["sms"] * row["mhz"] * 1e6 * 2 * fma / 1e12
        assert row.get("bf16", row.get("fp16")) == pytest.approx(rate, rel=0.03), row["name"]
        checked += 1
    assert checked > 80


def test_every_row_is_as_its_page_has_it_or_says_where_not() -> None:
    import tomllib

    from tunewright.hardware import catalogue as module

    table = tomllib.loads(module._FILE.read_text())
    pages = tomllib.loads(Path(__file__).with_name("published_pages.toml").read_text())
    held = 0
    for row in (row for group in table["parts"].values() for row in group):
        if row["page"].startswith("https://"):
            continue
        gbs, watts, sms, mhz, capability, _ = pages[row["page"]]
        otherwise = [
            name
            for name, mine, theirs, tolerance in (
                ("bandwidth", row["gbs"], gbs, 0.03),
                ("watts", row["watts"], watts, 0.03),
                ("multiprocessors", row.get("sms", sms), sms, 0),
                ("clock", row.get("mhz", mhz), mhz, 0.02),
            )
            if mine != pytest.approx(theirs, rel=tolerance)
        ]
        assert row["cc"] == capability, row["name"]
        assert not otherwise or "but" in row, (row["name"], otherwise)
        held += not otherwise
    # Of 110 rows nine have another page, and some thirty differ in one figure and say so.
    assert held >= 70


@pytest.mark.parametrize(
    ("capability", "least", "most"),
    [
        # Dense 16-bit flop for each byte of memory traffic, of all parts of a capability: a digit
        # that slipped, a bandwidth in bits or the rate of a whole system is out of the range. (A
        # sparse rate is found by the multiprocessors and the clock, above.)
        ("7.0", 100, 145), ("7.2", 80, 115), ("7.5", 60, 205), ("8.0", 150, 205),
        ("8.6", 65, 220), ("8.7", 110, 210), ("8.9", 110, 460), ("9.0", 30, 380),
        ("10.0", 225, 320), ("10.3", 290, 320), ("11.0", 540, 960), ("12.0", 80, 310),
        ("12.1", 450, 470),
    ],
)  # fmt: skip
def test_compute_and_bandwidth_are_in_the_proportion_of_the_family(
    capability: str, least: int, most: int
) -> None:
    family = [p for p in catalogue() if ".".join(map(str, p.capability)) == capability]
    assert family
    for part in family:
        assert least <= part.fp16_flops / part.bandwidth <= most, part.name


def test_every_capability_of_the_catalogue_has_a_range() -> None:
    mark = next(
        mark
        for mark in test_compute_and_bandwidth_are_in_the_proportion_of_the_family.pytestmark
        if mark.name == "parametrize"
    )
    ranged = {row[0] for row in mark.args[1]}
    assert {".".join(map(str, part.capability)) for part in catalogue()} == ranged


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("H100", "H100 SXM 80GB"),
        ("H100 80GB", "H100 SXM 80GB"),
        ("h100-pcie", "H100 PCIe 80GB"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM 80GB"),
        ("A100", "A100 SXM 80GB"),
        ("A100 40 GB", "A100 SXM 40GB"),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM 40GB"),
        ("Tesla T4", "T4 16GB"),
        ("4090", "RTX 4090 24GB"),
        ("rtx4060ti 16GB", "RTX 4060 Ti 16GB"),
        ("RTX 4070 super", "RTX 4070 Super 12GB"),
        ("GeForce RTX 4070 Ti SUPER", "RTX 4070 Ti Super 16GB"),
        ("RTX 6000 Ada", "RTX 6000 Ada 48GB"),
        ("A6000", "RTX A6000 48GB"),
        ("RTX PRO 6000 Max-Q", "RTX PRO 6000 Blackwell Max-Q 96GB"),
        ("DGX Spark", "DGX Spark GB10 128GB"),
    ],
)
def test_a_name_finds_its_part(said: str, meant: str) -> None:
    assert find_part(said).name == meant


@pytest.mark.parametrize(
    ("said", "near"), [("RTX 4095", "RTX 4090"), ("H1000", "H100"), ("GB20", "GB200")]
)
def test_an_unknown_name_suggests_the_nearest(said: str, near: str) -> None:
    with pytest.raises(Problem) as caught:
        find_part(said)
    assert near in caught.value.why
    assert near in caught.value.cure


def test_a_size_that_was_never_made_says_which_were() -> None:
    with pytest.raises(Problem, match="no A100 90GB") as caught:
        find_part("A100 90GB")
    assert "A100 SXM 40GB" in caught.value.why


def test_a_name_like_nothing_suggests_nothing() -> None:
    with pytest.raises(Problem) as caught:
        find_part("zzzzzz")
    assert "none is called nearly so" in caught.value.why


@pytest.mark.parametrize("part", catalogue(), ids=lambda part: part.name)
def test_the_drivers_name_and_memory_find_the_part_again(part: Part) -> None:
    gpu = Gpu(0, None, part.nvml_name, part.total_bytes, None, None)
    found = part_of(gpu)
    assert found is not None
    assert (found.nvml_name, found.total_bytes) == (part.nvml_name, part.total_bytes)


def test_an_unknown_device_is_no_part() -> None:
    assert part_of(Gpu(0, None, "NVIDIA R900", 9, None, None)) is None
    # The name of an RTX 3080 with the memory of neither.
    assert part_of(Gpu(0, None, "NVIDIA GeForce RTX 3080", 20 * GIB, None, None)) is None
