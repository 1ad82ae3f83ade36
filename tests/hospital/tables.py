"""Writes the report table as a hospital exports it: an .xlsx, and the same as csv in GB18030."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .plan import Patient, Report

COLUMNS = {
    "patient": "患者编号",
    "name": "姓名",
    "time": "检查时间",
    "class": "检查类别",
    "subclass": "检查子类",
    "item": "检查项目",
    "findings": "影像所见",
    "impression": "影像诊断",
    "doctor": "报告医生",
}
"""The columns of the table by what they hold."""


def write_tables(folder: Path, patients: Sequence[Patient]) -> tuple[Path, Path]:
    """Writes ``reports.xlsx`` and ``reports.csv`` with the same rows in the same order.

    Returns:
        Both files.
    """
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("检查报告")
    sheet.append(list(COLUMNS.values()))
    lines: list[list[str]] = []
    for patient in patients:
        for report in patient.reports:
            cells = _cells(patient, report)
            sheet.append(cells)
            lines.append([str(cell) for cell in cells])
    workbook, text = folder / "reports.xlsx", folder / "reports.csv"
    book.save(workbook)
    with text.open("w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS.values())
        writer.writerows(lines)
    return workbook, text


def _cells(patient: Patient, report: Report) -> list[Any]:
    when: Any = report.written
    if report.when is not None:
        cell = report.written == "cell"
        when = report.when if cell else report.when.strftime(report.written)
    return [
        patient.id,
        patient.name,
        when,
        report.group,
        report.subgroup,
        report.item,
        report.findings,
        "请结合临床",
        "王医生",
    ]
