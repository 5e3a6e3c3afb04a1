"""What of a machine is this process's: container, Slurm job, memory nodes, disks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tunewright.hardware.allocation import container, numa_nodes, slurm
from tunewright.hardware.host import read_host
from tunewright.hardware.nvml.board import numa_node_of, ranges
from tunewright.hardware.snapshot import Gpu, Host, NumaNode, Snapshot
from tunewright.hardware.storage import filesystem_of, read_disks, read_mounts
from tunewright.hardware.unified import tegra_gpu, with_host_memory

GIB = 1 << 30


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("files", "environ", "kind"),
    [
        ({}, {}, None),
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {"container": "podman"}, "podman"),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({}, {"APPTAINER_CONTAINER": "/x.sif"}, "apptainer"),
        ({}, {"container": "lxc"}, "lxc"),
        ({"proc/1/cgroup": "1:cpu:/docker/abc\n"}, {}, "docker"),
        ({"proc/sys/kernel/osrelease": "5.15.1-microsoft-standard-WSL2"}, {}, "WSL"),
        ({"proc/sys/kernel/osrelease": "6.8.0-generic"}, {}, None),
    ],
)
def test_the_kind_of_container_is_found(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], kind: str | None
) -> None:
    for path, text in files.items():
        put(tmp_path, path, text)
    assert container(environ, tmp_path) == kind


def test_a_slurm_allocation_is_read_from_its_environment() -> None:
    assert slurm({}) is None
    job = slurm(
        {
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_CPUS_ON_NODE": "16",
            "SLURM_GPUS_ON_NODE": "4",
            "SLURM_MEM_PER_NODE": "65536",
            "SLURM_JOB_END_TIME": "1795500000",
        }
    )
    assert job is not None
    assert (job.job_id, job.nodes, job.cpus_on_node, job.gpus_on_node) == ("4711", 2, 16, "4")
    assert job.memory_per_node_bytes == 64 * GIB
    assert job.ends_at == 1795500000.0
    everything = slurm({"SLURM_JOB_ID": "1", "SLURM_MEM_PER_NODE": "0"})
    assert everything is not None
    assert everything.memory_per_node_bytes is None


def test_memory_nodes_are_listed_in_order(tmp_path: Path) -> None:
    for number, cpus in ((10, "32-47"), (2, "0-15,64")):
        put(tmp_path, f"sys/devices/system/node/node{number}/cpulist", cpus + "\n")
        put(
            tmp_path,
            f"sys/devices/system/node/node{number}/meminfo",
            f"Node {number} MemTotal:  1024 kB\nNode {number} MemFree:  512 kB\n",
        )
    assert numa_nodes(tmp_path) == (
        NumaNode(2, "0-15,64", 1 << 20, 1 << 19),
        NumaNode(10, "32-47", 1 << 20, 1 << 19),
    )
    assert numa_nodes(tmp_path / "none") == ()


def test_the_node_of_a_pci_device_is_the_kernels(tmp_path: Path) -> None:
    put(tmp_path, "bus/pci/devices/0000:1c:00.0/numa_node", "1\n")
    put(tmp_path, "bus/pci/devices/0000:1d:00.0/numa_node", "-1\n")
    assert numa_node_of("00000000:1C:00.0", tmp_path) == 1
    assert numa_node_of("00000000:1D:00.0", tmp_path) is None
    assert numa_node_of("00000000:1E:00.0", tmp_path) is None


def test_cpus_are_written_as_the_kernel_writes_them() -> None:
    assert ranges([0, 1, 2, 8, 10, 11]) == "0-2,8,10-11"
    assert ranges([]) == ""


def test_the_innermost_mount_names_the_file_system(tmp_path: Path) -> None:
    line = "36 35 98:0 / {point} rw,noatime master:1 - {type} /dev/x rw\n"
    mounts = (("/", "ext4"), ("/data", "nfs4"), ("/data/my\\040runs", "xfs"))
    put(
        tmp_path,
        "proc/self/mountinfo",
        "".join(line.format(point=point, type=kind) for point, kind in mounts),
    )
    read = read_mounts(tmp_path)
    assert filesystem_of(Path("/data/my runs/a"), read) == "xfs"
    assert filesystem_of(Path("/data/b/../c"), read) == "nfs4"
    assert filesystem_of(Path("/database"), read) == "ext4"
    assert filesystem_of(Path("/"), {}) is None


def test_a_place_that_does_not_exist_yet_has_the_room_of_its_parent(tmp_path: Path) -> None:
    (disk,) = read_disks({"runs": tmp_path / "not" / "yet"})
    assert disk.place == "runs"
    assert disk.total_bytes is not None
    assert disk.free_bytes is not None
    assert 0 < disk.free_bytes <= disk.total_bytes
    (known,) = read_host({"runs": tmp_path}).disks
    assert known.total_bytes == disk.total_bytes


def test_a_jetson_without_nvml_is_known_by_its_device_tree(tmp_path: Path) -> None:
    assert tegra_gpu(tmp_path) is None
    put(tmp_path, "proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")
    put(tmp_path, "proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0000\0nvidia,tegra234\0")
    gpu = tegra_gpu(tmp_path)
    assert gpu is not None
    assert gpu.name == "NVIDIA Jetson AGX Orin Developer Kit"
    assert gpu.compute_capability == (8, 7)
    host = Host("h", "c", 1, (), ram_total_bytes=64 * GIB, ram_available_bytes=50 * GIB)
    (shared,) = with_host_memory([gpu], host)
    assert (shared.total_bytes, shared.free_bytes) == (64 * GIB, 50 * GIB)
    assert "no NVML" in (shared.memory_note or "")
    put(tmp_path, "proc/device-tree/compatible", "raspberrypi,5-model-b\0")
    assert tegra_gpu(tmp_path) is None


def test_a_snapshot_of_the_first_version_still_loads() -> None:
    """As sessions recorded it before devices had activity, links and slices."""
    old = (
        '{"taken_at":1.5,"host":{"hostname":"h","cpu_model":"c","cores":2,"cpu_features":["avx"],'
        '"ram_total_bytes":9,"ram_available_bytes":5,"boot_id":null,"unknown":{}},"gpus":[{"index":0,'
        '"uuid":"GPU-1","name":"A100","total_bytes":9,"free_bytes":5,"used_bytes":4,'
        '"compute_capability":[8,0],"processes":[{"pid":1,"used_bytes":2,"user":"u","command":"c",'
        '"own":false}],"unknown":{}}],"driver_version":"580","cuda_version":[13,0],"gpu_trouble":'
        '{"what":"w","why":"y","cure":"c"},"simulated":false}'
    )
    snapshot = msgspec.json.decode(old, type=Snapshot)
    assert snapshot.gpus[0].label == "0"
    assert snapshot.gpus[0].activity is None
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot)
    assert again == snapshot


def test_a_slice_is_named_after_its_gpu() -> None:
    from tunewright.hardware.snapshot import MigSlice

    gpu = Gpu(3, "MIG-1", "A100", None, None, None, mig=MigSlice(1, "GPU-1"))
    assert gpu.label == "3:1"
