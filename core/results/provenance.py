"""Where a result comes from: command, machine, versions, data, times."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.results.document import Block, Facts, Source, Table
from crossdl.types import ScanRecord

_GIB = 2**30


def command() -> str:
    """The command line, without the folder of the program."""
    program = Path(sys.argv[0]).name
    words = ["python", "-m", "crossdl"] if program == "__main__.py" else [program]
    return shlex.join([*words, *sys.argv[1:]])


def machine() -> dict[str, str | int | float | None]:
    """What computes: processor, cores this process may use, memory in GiB, GPU; no names."""
    import torch

    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": _cores(),
        "memory_gib": _memory(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def data_facts(cohort: CohortSource[Any], records: Sequence[ScanRecord]) -> dict[str, str | int]:
    """Number of scans and a digest of all that a run reads of them.

    The digest changes with any voxel, report, label, split, patient or scan name; it does not
    depend on the order of the scans.

    Args:
        cohort: The source.
        records: Its scans.

    Returns:
        ``{"scans": n, "fingerprint": hex}``.
    """
    lines = []
    for record in records:
        try:
            voxels = cohort.fingerprint(record)
        except InputError:
            voxels = "unreadable"
        fields = [record.scan_id, record.patient_id, record.split, record.findings, voxels]
        arrays = {"labels": record.labels, "truth": record.truth}
        said = {name: None if a is None else a.tolist() for name, a in arrays.items()}
        lines.append(json.dumps([*fields, said, dict(record.reads)], ensure_ascii=False))
    digest = hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass"))
    return {"scans": len(records), "fingerprint": digest.hexdigest()[:32]}


def provenance_blocks(facts: Mapping[str, Any], config: Mapping[str, Any]) -> list[Block]:
    """The page's last section.

    Args:
        facts: ``provenance.json`` of a run, see :mod:`crossdl.rundir`; parts may be missing.
        config: The resolved composition.
    """
    machine, data = facts.get("machine", {}), facts.get("data", {})
    versions = facts.get("versions", {})
    shown = [
        ("Command", facts.get("command")),
        ("Started", facts.get("started")),
        ("Seed", config.get("seed")),
        ("Git revision", versions.get("git")),
        ("Data", f"{data['scans']} scans, fingerprint {data['fingerprint']}" if data else None),
        ("Processor", machine.get("processor")),
        ("Cores", machine.get("cores")),
        ("Memory, GiB", machine.get("memory_gib")),
        ("GPU", machine.get("gpu") or ("none" if machine else None)),
        ("Platform", machine.get("platform")),
    ]
    blocks: list[Block] = [Facts([(k, "-" if v is None else str(v)) for k, v in shown])]
    stages = stage_times(facts.get("stages", ()))
    if stages:
        blocks.append(Table("stages", "Time of each stage", ("Stage", "Seconds", "Runs"), stages))
    packages = [(name, version) for name, version in versions.items() if name != "git"]
    if packages:
        blocks.append(Table("versions", "Versions", ("Package", "Version"), packages, folded=True))
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return [*blocks, Source("Composition", text)]


def stage_times(stages: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, int]]:
    """Each stage once, in the order of its first end: seconds of all its runs, and how many."""
    found: dict[str, list[float]] = {}
    for stage in stages:
        found.setdefault(stage["stage"], []).append(stage["seconds"])
    return [(name, sum(seconds), len(seconds)) for name, seconds in found.items()]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _processor() -> str | None:
    """The model's name, or the architecture where the system does not tell."""
    try:
        if sys.platform == "darwin":
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.check_output(asked, encoding="utf-8", timeout=10).strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return platform.machine() or None


def _cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1)
    except (AttributeError, ValueError, OSError):
        return None
