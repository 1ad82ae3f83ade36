"""The kinds of patients of a generated hospital: what each plants, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .plan import Patient

LACUNES = "双侧半卵圆中心见多发缺血灶。"
LOW = "左侧额叶见片状低密度影，边界清。"
CLEAR = "余脑实质内未见明显异常密度影。"


def plain(p: Patient) -> None:
    """A scan and its report."""
    p.scan(report=p.tell(1.5))


def whole_study(p: Patient) -> None:
    """What a scanner sends of one exam: scout, brain, bone, thin slices, reformat, dose report."""
    p.scan(
        -0.1,
        "Topogram 0.6 T20s",
        "T20s",
        slices=2,
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        faults=("description", "image_type", "few_slices"),
    )
    p.scan(report=p.tell(0.5))
    p.scan(0, "HeadSeq 4.8 H60s", "H60s", faults=("description", "bone_kernel"))
    p.scan(0, "HEAD 0.6 thin", "H31s", slices=16, faults=("description",))
    p.scan(
        0,
        "MPR Range[1]",
        "H31s",
        image_type=("DERIVED", "SECONDARY", "MPR"),
        faults=("description", "image_type"),
    )
    p.litter |= {"dose", "screenshot"}


def bone(p: Patient) -> None:
    """Bone reconstructions that have the description of a brain scan: by kernel, by window."""
    report = p.tell(0.4)
    p.scan(report=report)
    kernel = str(p.rng.choice(["H60s", "H70h", "BONE"]))
    p.scan(0, "HEAD 5mm", kernel, report=report, faults=("bone_kernel",))
    p.scan(0, "HEAD 5mm", "", report=report, faults=("bone_window",))


def reformat(p: Patient) -> None:
    """A derived reformat that has the description of a brain scan."""
    p.scan(
        0, "HEAD 5mm", image_type=("DERIVED", "SECONDARY", "REFORMATTED"), faults=("image_type",)
    )
    p.scan(report=p.tell(2.0))


def short(p: Patient) -> None:
    """Too few slices; its report goes with it."""
    p.scan(slices=int(p.rng.integers(4, 10)), report=p.tell(1.0), faults=("few_slices",))


def angiography(p: Patient) -> None:
    """A CTA that the rules take, a perfusion that they do not."""
    p.scan(0, "CTA 5mm", report=p.tell(3.0))
    p.scan(0.2, "CTP 10mm", faults=("description",))


def magnetic(p: Patient) -> None:
    """MR with the description of a CT, and its report."""
    p.scan(0, "HEAD 5mm", "", modality="MR", faults=("modality",))
    p.tell(1.0, group="MR", faults=("require_exam_class",))


def silent(p: Patient) -> None:
    """A scan without any report."""
    p.scan(alone="no_report")


def other_exam(p: Patient) -> None:
    """Only reports of other exams are near the scan."""
    p.scan(alone="no_report")
    item = str(
        p.rng.choice(["鼻窦平扫", "眼眶平扫", "颞骨平扫", "颈椎平扫", "头部CTP", "颌面部平扫"])
    )
    p.tell(1.0, item=item, faults=("exclude_parameters",))
    p.tell(0.3, group=str(p.rng.choice(["DR", "MR", "US"])), faults=("require_exam_class",))
    p.tell(-0.5, subgroup=str(p.rng.choice(["胸部", "腹部"])), faults=("require_exam_sub_class",))


def late(p: Patient) -> None:
    """The report is more than a day away."""
    p.scan(alone="too_far")
    p.tell(float(p.rng.choice([24.5, 30.0, -25.0, 24 * 366])))


def nearest(p: Patient) -> None:
    """Of several reports near the scan the nearest one belongs to it, before or after."""
    p.tell(-5.0)
    before = bool(p.rng.random() < 0.5)
    report = p.tell(-0.75 if before else 2.0)
    p.tell(20.0)
    p.tell(0.25, item="眼眶平扫", faults=("exclude_parameters",))
    p.scan(report=report)


def twice(p: Patient) -> None:
    """Two scans weeks apart, each with its own report."""
    gap = 24.0 * int(p.rng.integers(3, 90))
    p.scan(report=p.tell(1.0))
    p.scan(gap, report=p.tell(gap + 3.0))


def follow_up(p: Patient) -> None:
    """Two scans on one day and one report: both belong to it."""
    report = p.tell(2.0)
    p.scan(report=report)
    p.scan(8.0, report=report)


def ischaemic(p: Patient) -> None:
    """Ischaemia together with another hypodensity."""
    report = p.tell(1.0, findings=LACUNES + LOW)
    p.scan(report=report, faults=("ischaemia_with_hypodensity",))


def only_ischaemic(p: Patient) -> None:
    """Ischaemia and no other hypodensity: kept."""
    p.scan(report=p.tell(1.0, findings=LACUNES + CLEAR))


def untimed_report(p: Patient) -> None:
    """The report's time is missing or nonsense."""
    p.scan(alone="no_report")
    wrong = str(p.rng.choice(["", "未知", "2020-13-45 99:00", "0000-00-00 00:00:00"]))
    p.tell(1.0, unreadable_time=wrong, faults=("no_time",))


def empty_report(p: Patient) -> None:
    """The nearest report says nothing, another one does."""
    p.tell(0.1, findings=" ", faults=("no_findings",))
    p.scan(report=p.tell(4.0))


def untimed_scan(p: Patient) -> None:
    """No tag says when the scan was made."""
    p.scan(untimed=True, faults=("no_time",))
    p.tell(1.0)


def nameless(p: Patient) -> None:
    """The files do not say whose they are."""
    p.scan(faults=("no_patient",), quirks=("nameless",))
    p.tell(1.0)


def repeated_row(p: Patient) -> None:
    """The table has the report twice."""
    report = p.tell(1.0)
    p.scan(report=report)
    p.reports.append(replace(report, faults=frozenset({"duplicate"})))


def doubled(p: Patient) -> None:
    """Every file is there twice."""
    p.scan(report=p.tell(1.0), quirks=("doubled",))


def gap(p: Patient) -> None:
    """A slice is missing."""
    p.scan(report=p.tell(1.0), quirks=("gap",), faults=("unreadable",))


def cut(p: Patient) -> None:
    """A file of the series was cut off within its pixels."""
    p.scan(report=p.tell(1.0), quirks=("cut",), faults=("unreadable",))


def littered(p: Patient) -> None:
    """Empty, random and truncated files lie among the slices."""
    p.scan(report=p.tell(0.8))
    p.litter |= {"broken", "office"}


def packed(p: Patient) -> None:
    """Other transfer syntaxes."""
    p.scan(report=p.tell(0.8), quirks=(str(p.rng.choice(["rle", "j2k", "implicit"])),))


def tilted(p: Patient) -> None:
    """The gantry was tilted."""
    p.scan(report=p.tell(0.8), quirks=("tilted",))


def large(p: Patient) -> None:
    """A matrix of 128 x 128."""
    p.scan(report=p.tell(0.8), quirks=("large",))


def elsewhere(p: Patient) -> None:
    """Reports of a patient whose scans are not in the dump."""
    p.tell(1.0)
    p.tell(48.0)


CASES: tuple[tuple[Callable[[Patient], None], int], ...] = (
    (plain, 14),
    (whole_study, 4),
    (twice, 4),
    (nearest, 3),
    (other_exam, 2),
    (bone, 2),
    (littered, 2),
    (doubled, 2),
    (follow_up, 1),
    (reformat, 1),
    (short, 2),
    (angiography, 1),
    (magnetic, 2),
    (silent, 2),
    (late, 2),
    (ischaemic, 2),
    (only_ischaemic, 1),
    (untimed_report, 1),
    (empty_report, 1),
    (untimed_scan, 1),
    (nameless, 1),
    (repeated_row, 1),
    (gap, 1),
    (cut, 1),
    (packed, 3),
    (tilted, 2),
    (large, 1),
    (elsewhere, 2),
)
"""Cases and how often each occurs; the first patients go through them once, in this order."""
