"""Figures as PNG and SVG, the same bytes every time, in any process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from crossdl.evaluation.cases import Evaluation
from crossdl.figures import heat_map
from crossdl.results.pictures import save_figures

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_pictures import draw
draw(Path(sys.argv[1]))
"""


def draw(folder: Path) -> None:
    values = np.array([[0.9, np.nan], [0.6, 0.7]])
    figure = heat_map(values, ["a", "ä"], ["b", "c"], title="t", label="AUROC")
    save_figures({"region_auroc": Evaluation({}, figures={"cells": figure})}, folder)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_equal_figures_give_equal_files_without_dates(tmp_path: Path) -> None:
    draw(tmp_path / "one")
    code = SCRIPT.format(folder=str(Path(__file__).parent))
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "two")], check=True)
    found = digests(tmp_path / "one")
    assert set(found) == {"region_auroc_cells.png", "region_auroc_cells.svg"}
    assert found == digests(tmp_path / "two")
    png = (tmp_path / "one" / "region_auroc_cells.png").read_bytes()
    assert b"Software" not in png and b"tIME" not in png


def test_the_svg_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    draw(tmp_path)
    root = ElementTree.parse(tmp_path / "region_auroc_cells.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    links = [
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if name.endswith("href")
    ]
    assert links and all(link.startswith(("#", "data:")) for link in links)
    assert not [e for e in root.iter() if e.tag.endswith("}text")]  # letters are shapes
