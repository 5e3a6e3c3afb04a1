"""Limits of cgroups v1 and v2 are found wherever they are set above the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunewright.hardware.cgroup import CgroupLimits, parse_memberships, parse_mounts, read_limits

V2_MOUNT = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_v2_the_tightest_level_wins(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/user.slice"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user.slice/job.scope\n",
            "proc/self/mountinfo": V2_MOUNT,
            f"{base}/cpu.max": "150000 100000\n",
            f"{base}/memory.max": "8000\n",
            f"{base}/memory.current": "5000\n",
            f"{base}/memory.stat": "anon 1000\ninactive_file 4000\n",
            f"{base}/job.scope/cpu.max": "max 100000\n",
            f"{base}/job.scope/memory.max": "max\n",
        },
    )
    assert read_limits(root) == CgroupLimits(1.5, 8000, 7000)


def test_v2_memory_high_is_a_limit_too(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/memory.max": "9000",
            "sys/fs/cgroup/memory.high": "6000",
            "sys/fs/cgroup/memory.current": "7000",
        },
    )
    assert read_limits(root) == CgroupLimits(None, 6000, 0)


def test_v1_in_a_container_that_sees_its_part_of_the_tree(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": (
                "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n"
            ),
            "proc/self/mountinfo": (
                "30 29 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                "31 29 0:28 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
            ),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "3000",
            "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 500\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert read_limits(root) == CgroupLimits(3.0, 4000, 1500)


def test_v1_without_limits(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n3:cpu:/\n",
            "proc/self/mountinfo": (
                "30 29 0:27 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                "31 29 0:28 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
            ),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert read_limits(root) == CgroupLimits()


def test_no_cgroups_at_all_is_no_limit(tmp_path: Path) -> None:
    assert read_limits(tmp_path) == CgroupLimits()


@pytest.mark.parametrize("text", ["", "nonsense\n", "0::\n", "1 2 3 - cgroup2\n"])
def test_malformed_kernel_files_are_no_limit(tmp_path: Path, text: str) -> None:
    root = write(tmp_path, {"proc/self/cgroup": text, "proc/self/mountinfo": text})
    assert read_limits(root) == CgroupLimits()


def test_kernel_files_are_parsed() -> None:
    assert parse_memberships("12:cpu,cpuacct:/a:b\n0::/c\n") == {
        "cpu": "/a:b",
        "cpuacct": "/a:b",
        "": "/c",
    }
    assert parse_mounts(V2_MOUNT) == {"": ("/", "/sys/fs/cgroup")}
