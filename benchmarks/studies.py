"""Finished studies as one page: ``python benchmarks/studies.py STUDY... --out FOLDER``.

Writes ``FOLDER/README.md`` with a table per study (value of each combination, paired difference to
the reference, interval, p after Holm) and its pictures of differences and of training as PNG of few
colours. Run it after ``crossdl study NAME... --scale small``, whose folders are in ``studies/``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from crossdl.files import replacing, write_text
from crossdl.results.provenance import read_json
from crossdl.results.study import StudyResults
from crossdl.study.tables import cell_folder

PICTURES = {"differences": "Paired differences to the reference", "training": "Losses"}


def main() -> None:
    """Reads, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    found = [StudyResults.read(folder) for folder in given.studies]
    given.out.mkdir(parents=True, exist_ok=True)
    names = " ".join(one.study.name for one in found)
    scales = sorted({one.study.scale or "" for one in found})
    lines = [f"# Studies at the scale {', '.join(scales)}", ""]
    lines += [f"    crossdl study {names} --scale {scales[0]} --jobs 2", ""]
    lines += list(facts(found))
    for one in found:
        lines += section(one, given.out)
    write_text(given.out / "README.md", "\n".join(lines).rstrip() + "\n")


def facts(found: Sequence[StudyResults]) -> Iterator[str]:
    """How many runs there were, and their time."""
    seconds = {}
    cells = 0
    for one in found:
        for cell in one.finished:
            cells += 1
            kept = read_json(cell_folder(one.folder, cell.slug) / "provenance.json")
            took = sum(stage["seconds"] for stage in kept["stages"])
            seconds[kept["started"], kept["stages"][-1]["ended"]] = took
    total = sum(seconds.values()) / 60
    planned = sum(len(one.study.cells) for one in found)
    yield (
        f"{cells} of {planned} cells, of which {len(seconds)} are different runs; those took "
        f"{total:.0f} minutes of one process each, stages that they share not counted."
    )
    yield ""


def section(one: StudyResults, out: Path) -> list[str]:
    """A study's table and pictures."""
    axes = [axis.title for axis in one.study.axes]
    head = (*axes, "measure", "value (interval)", "difference (interval)", "p (Holm)")
    lines = [f"## {one.study.name}", "", one.study.description, ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    differences = {(values, key): row for values, key, row in one.comparisons if row["difference"]}
    compared = {key for _, key in differences}
    for key in [key for key in one.keys if key in compared]:
        for values in one.combinations:
            if values != one.reference and (values, key) not in differences:
                continue
            seeds = [one.estimates.get((values, seed), {}).get(key) for seed in one.study.seeds]
            texts = [
                f"{e.value:.3f} ({e.low:.3f} to {e.high:.3f})"
                if e is not None and e.value is not None and e.low is not None
                else "-"
                for e in seeds
            ]
            change, p = "reference", "-"
            if values != one.reference:
                row = differences[values, key]
                change = f"{float(row['difference']):+.3f}"
                if row["low"]:
                    change += f" ({float(row['low']):+.3f} to {float(row['high']):+.3f})"
                p = f"{float(row['p_holm']):.3f}" if row["p_holm"] else "-"
            lines.append("| " + " | ".join((*values, key[1], "; ".join(texts), change, p)) + " |")
    lines.append("")
    for name, text in PICTURES.items():
        source = one.folder / "figures" / f"{name}.png"
        if source.is_file():
            target = out / f"{one.study.name}_{name}.png"
            with replacing(target) as working, Image.open(source) as picture:
                picture.convert("RGB").quantize(48).save(working, optimize=True)
            lines += [f"![{text} in {one.study.name}]({target.name})", ""]
    return lines


if __name__ == "__main__":
    main()
