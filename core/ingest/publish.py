"""From the last complete state and the later exclusions to the tables that everyone may read."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from crossdl.figures import save_figure
from crossdl.files import write_json, write_text
from crossdl.ingest.database import Database
from crossdl.ingest.flow import Drop, Flow, FlowRow
from crossdl.ingest.flow_figure import flow_figure
from crossdl.ingest.tables import write_flow, write_table
from crossdl.ingest.volumes import volume_path


@dataclass
class State:
    """A complete build, before later exclusions.

    Attributes:
        facts: What ``cohort.json`` says beside counts and digests.
        counts: Files, series and reports that were collected.
        split: What the rules say of the split; it must not change later.
        rules: Text of the rules.
        scans: Rows of the table of scans.
        reports: Rows of the table of reports.
        labels: Scan → ``[region, type, probability]`` of its cells.
        rows: The flow so far.
        drops: Everything dropped so far.
        left_out: Columns of the table of reports that the rules do not keep.
    """

    facts: dict[str, Any]
    split: str
    counts: dict[str, int]
    rules: str
    scans: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    labels: dict[str, list[tuple[str, str, float]]]
    rows: list[FlowRow]
    drops: list[Drop]
    left_out: list[str]

    def packed(self) -> dict[str, bytes]:
        """Form in which the database keeps it."""
        content = json.dumps(asdict(self), sort_keys=True).encode()
        return {"build": zlib.compress(content), "split": self.split.encode()}

    @classmethod
    def unpacked(cls, stored: Mapping[str, bytes]) -> State | None:
        """The state that :meth:`packed` made, or None where there is none."""
        if "build" not in stored:
            return None
        raw = json.loads(zlib.decompress(stored["build"]))
        raw["rows"] = [FlowRow(**row) for row in raw["rows"]]
        raw["drops"] = [Drop(**drop) for drop in raw["drops"]]
        return cls(**raw)


@dataclass(frozen=True)
class Published:
    """What a cohort consists of now.

    Attributes:
        rows: Its flow.
        counts: What ``cohort.json`` counts.
        drops: Everything that was dropped.
    """

    rows: list[FlowRow]
    counts: dict[str, int]
    drops: list[Drop]


def publish(folder: Path, database: Database) -> Published:
    """Writes all public files of a cohort; ``cohort.json`` disappears first and comes last.

    Volumes of scans that later exclusions left out wait in ``private/``, from where they come
    back if the scan does; those of no scan are removed.

    Args:
        folder: The cohort.
        database: Holds a complete state.
    """
    state = State.unpacked(database.state())
    assert state is not None
    flow = Flow(
        {row["scan"]: row["patient"] for row in state.scans},
        {row["report"] for row in state.reports},
        rows=list(state.rows),
        drops=list(state.drops),
    )
    report_of = {row["scan"]: row["report"] for row in state.scans}
    later: dict[str, dict[str, tuple[str, str | None]]] = {}
    for scan, step, reason in database.exclusions():
        if scan in flow.scans:
            later.setdefault(step, {})[scan] = (reason, None)
    for step, dropped in later.items():
        flow.drop_pairs(step, dropped, (), report_of)
    flow.finish()
    scans = [row for row in state.scans if row["scan"] in flow.scans]
    reports = [row for row in state.reports if row["report"] in flow.reports]
    split = {row["patient"]: row["split"] for row in scans}
    per_patient = Counter(row["patient"] for row in scans)
    labels = [
        {"scan": row["scan"], "region": region, "type": kind, "probability": probability}
        for row in scans
        for region, kind, probability in state.labels.get(row["scan"], ())
    ]
    patients = [
        {"patient": patient, "split": split[patient], "scans": per_patient[patient]}
        for patient in sorted(per_patient)
    ]
    counts = {
        **state.counts,
        "scans": len(scans),
        "patients": len(patients),
        "reports": len(reports),
        **{name: list(split.values()).count(name) for name in ("train", "valid", "test")},
    }
    (folder / "cohort.json").unlink(missing_ok=True)
    tables = {
        "scans.parquet": write_table(folder, "scans", scans),
        "reports.parquet": write_table(folder, "reports", reports, state.left_out),
        "labels.parquet": write_table(folder, "labels", labels),
        "splits.parquet": write_table(folder, "splits", patients),
        "dropped.parquet": write_table(folder, "dropped", map(asdict, flow.drops)),
        "flow.csv": write_flow(folder, flow.rows),
    }
    write_text(folder / "rules.toml", state.rules)
    readme = files("crossdl") / "ingest" / "cohort_readme.md"
    write_text(folder / "README.md", readme.read_text(encoding="utf-8"))
    save_figure(flow_figure(flow.rows), folder / "flow.png")
    _sort_volumes(folder, {row["scan"] for row in scans}, {row["scan"] for row in state.scans})
    write_json(
        folder / "cohort.json", {"format": 1, **state.facts, "counts": counts, "tables": tables}
    )
    return Published(flow.rows, counts, flow.drops)


def _sort_volumes(folder: Path, kept: set[str], known: set[str]) -> None:
    """Kept scans' volumes are public, excluded ones' private; also clears half-written files."""
    public, private = {volume_path(s) for s in kept}, {volume_path(s) for s in known - kept}
    for place, other, here, there in (
        (folder, folder / "private", public, private),
        (folder / "private", folder, private, public),
    ):
        for path in place.glob("volumes/*/*"):
            name = path.relative_to(place).as_posix()
            if name in there and not (place != folder and (other / name).is_file()):
                (other / name).parent.mkdir(parents=True, exist_ok=True)
                path.replace(other / name)
            elif name not in here:
                path.unlink(missing_ok=True)
        for path in place.glob(".*.tmp-*"):
            path.unlink(missing_ok=True)
