"""The hospital's table of reports: read from .csv, .xlsx or .jsonl, selected by the rules."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from crossdl.errors import InputError
from crossdl.hints import did_you_mean
from crossdl.ingest.rules import COLUMNS, NEEDED, Column, ReportRules, Rules
from crossdl.workbooks import sheet_rows

ENDINGS = (".csv", ".xlsx", ".jsonl")
_EXCEL_START = datetime(1899, 12, 30)
Row = Mapping[str, Any]
"""A row's cells by the name of their column."""
REPORT_REASONS = (
    *(f"require_{column}" for column in COLUMNS), *(f"exclude_{column}" for column in COLUMNS),
    "no_patient", "no_time", "no_findings", "duplicate",
)  # fmt: skip
"""Why a report is not used, in the order of checking."""


@dataclass(frozen=True)
class Report:
    """One row.

    Attributes:
        patient: PatientID, filled with zeros as the rules ask for.
        time: Time of the exam, or None.
        findings: Text of the Findings section; "" where the report is not used.
        impression: Text of the Impression section, or "".
        age: Years, or None.
        sex: First letter of the sex in English, or "".
        content: Digest of all the row says; equal rows are duplicates.
        reason: Why the report is not used, or None.
    """

    patient: str
    time: datetime | None
    findings: str
    impression: str
    age: float | None
    sex: str
    content: str
    reason: str | None


def read_reports(path: Path, given: Rules) -> Generator[Report]:
    """Every row of a table, checked by the rules.

    Raises:
        InputError: The file is missing, malformed or in another encoding, or lacks a column.
    """
    rules, seen = given.reports, set[str]()
    names: dict[Column, str] | None = None
    for row in _rows(path, rules):
        if names is None:
            names = _columns(path, list(row), rules)
        report = _report(row, names, given, seen)
        seen.add(report.content)
        yield report


def check_table(path: Path, given: Rules) -> None:
    """Refuses a table whose first row shows that it cannot be read by the rules.

    Raises:
        InputError: It is missing, of an unknown kind or another encoding, has no rows or lacks a
            column.
    """
    with closing(read_reports(path, given)) as reports:
        if next(reports, None) is None:
            raise InputError(f"{path.name}: has no rows")


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"--reports {path}: no such file; give a table ({', '.join(ENDINGS)})")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(
            f"{path.name}: ending {ending or '(none)'} is not known; give {', '.join(ENDINGS)}"
        )


def parse_time(value: Any, formats: Sequence[str]) -> datetime | None:
    """A moment without time zone, or None for what is none.

    A float is taken as Excel's number of days, which a cell without a date's format has.
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, float) and 20_000 < value < 80_000:
        return _EXCEL_START + timedelta(seconds=round(value * 86_400))
    text = _text(value)
    if not re.fullmatch(r"\d{1,9}", text):  # the standard also has 20190302 and week dates
        try:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        except ValueError:
            pass
    for pattern in formats:
        try:
            when = datetime.strptime(text, pattern).replace(tzinfo=None)
        except ValueError:
            continue
        if not text.isdecimal() or when.strftime(pattern) == text:  # strptime may skip digits
            return when
    return None


def _report(row: Row, names: Mapping[Column, str], given: Rules, seen: set[str]) -> Report:
    rules = given.reports
    cells: dict[Column, Any] = {column: row.get(name) for column, name in names.items()}
    text = {column: _text(cells.get(column)) for column in COLUMNS}
    text["patient"] = given.pairing.patient_key(text["patient"])
    time = parse_time(cells["time"], rules.time_formats)
    whole = "\0".join([time.isoformat() if time else "", *text.values()])
    content = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
    checks = {
        f"require_{column}": text[column].casefold() in {v.strip().casefold() for v in accepted}
        for column, accepted in rules.require.items()
    }
    checks |= {
        f"exclude_{column}": not any(w.casefold() in text[column].casefold() for w in words)
        for column, words in rules.exclude.items()
    }
    checks |= {
        "no_patient": bool(text["patient"]),
        "no_time": time is not None,
        "no_findings": any(character.isalpha() for character in text["findings"]),
        "duplicate": content not in seen,
    }
    reason = next((name for name in REPORT_REASONS if not checks.get(name, True)), None)
    return Report(
        patient=text["patient"],
        time=time,
        findings="" if reason else text["findings"],
        impression="" if reason else text["impression"],
        age=_years(text["age"]),
        sex={"男": "M", "女": "F"}.get(text["sex"][:1], text["sex"][:1].upper()),
        content=content,
        reason=reason,
    )


def _columns(path: Path, found: Sequence[str], rules: ReportRules) -> dict[Column, str]:
    """Column → its name in this table."""
    by_name = {name.strip().casefold(): name for name in reversed(found)}
    names: dict[Column, str] = {}
    problems = []
    for column, accepted in rules.columns.items():
        name = next((by_name[a.casefold()] for a in accepted if a.casefold() in by_name), None)
        if name is not None:
            names[column] = name
        elif column in {*NEEDED, *rules.require, *rules.exclude}:
            hint = did_you_mean(accepted[0], found)
            problems.append(f"{column} (looked for {', '.join(accepted)}{hint})")
    if problems:
        raise InputError(
            f"{path.name}: has no column for {'; '.join(problems)}; its columns are "
            f"{', '.join(found) or 'none'}; name them in the rules under [reports.columns]"
        )
    return names


def _rows(path: Path, rules: ReportRules) -> Iterator[Row]:
    _check_file(path)
    ending = path.suffix.lower()
    if ending == ".xlsx":
        yield from _xlsx(path)
        return
    encoding = _encoding(path) if rules.encoding == "auto" else rules.encoding
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield from (_csv if ending == ".csv" else _jsonl)(path, file)
    except LookupError as error:
        raise InputError(
            f"reports.encoding: {encoding!r} is no encoding; try auto or gb18030"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name}: is not {encoding}; set encoding under [reports] in the rules to the "
            'file\'s, such as "gb18030", or to "auto"'
        ) from error


def _encoding(path: Path) -> str:
    """UTF-16 with its mark, UTF-8 with or without, else GB18030."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        file.seek(0)
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8-sig"


def _csv(path: Path, file: TextIOWrapper) -> Iterator[Row]:
    csv.field_size_limit(1 << 24)
    lines = csv.reader(file, strict=True)
    try:
        header = next(lines, None)
        if header is None:
            raise InputError(f"{path.name}: is empty")
        for line in lines:
            if not any(line):
                continue
            if len(line) != len(header):
                raise InputError(
                    f"{path.name}: line {lines.line_num} has {len(line)} fields and the header "
                    f"{len(header)}; put quotes around texts that hold commas or line breaks"
                )
            yield dict(zip(header, line, strict=True))
    except csv.Error as error:
        raise InputError(f"{path.name}: line {lines.line_num}: {error}") from error


def _jsonl(path: Path, file: TextIOWrapper) -> Iterator[Row]:
    keys: dict[str, None] = {}
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path.name}: line {number} is not JSON") from error
        if not isinstance(item, dict):
            raise InputError(f"{path.name}: line {number} is not an object {{...}}")
        keys |= dict.fromkeys(item)
        yield dict.fromkeys(keys) | item


def _xlsx(path: Path) -> Iterator[Row]:
    rows = sheet_rows(path)
    header = next(rows, None)
    if header is None:
        raise InputError(f"{path.name}: is empty")
    names = [_text(cell) for cell in header]
    for row in rows:
        if any(cell is not None for cell in row):
            yield {name: cell for name, cell in zip(names, row, strict=False) if name}


def _text(value: Any) -> str:
    """A cell as text; a number that Excel made of an identifier loses its ``.0``."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _years(text: str) -> float | None:
    """Age such as 45, 45Y, 045Y, 45岁, 6月 (months), 12天 (days)."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*([YMWD岁月周天]?)[a-z]*", text, re.IGNORECASE)
    if found is None:
        return None
    days = {"": 365.25, "Y": 365.25, "岁": 365.25, "M": 30.4375, "月": 30.4375}
    days |= {"W": 7.0, "周": 7.0, "D": 1.0, "天": 1.0}
    return float(found[1]) * days[found[2].upper()] / 365.25
