"""Pages share one style sheet, and it reaches them unescaped."""

from __future__ import annotations

from pathlib import Path

import pytest

import crossdl

TEMPLATES = Path(crossdl.__file__).parent / "templates"
PAGES = sorted(p.name for p in TEMPLATES.glob("*.html.j2") if p.name != "style.html.j2")


@pytest.mark.parametrize("name", PAGES)
def test_the_style_is_in_one_place(name: str) -> None:
    from jinja2 import Environment, FileSystemLoader, meta

    environment = Environment(autoescape=True, loader=FileSystemLoader(TEMPLATES))
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    assert "style.html.j2" in meta.find_referenced_templates(environment.parse(source))
    head = source.split("</head>")[0]
    assert "<style" not in source and "style=" not in source
    page = environment.from_string(head.split("</title>")[1]).render()
    assert page.count("<style>") == page.count("</style>") == 1
    assert 'font: 15px/1.5 system-ui, -apple-system, "Segoe UI"' in page


def test_there_are_pages() -> None:
    assert {"cohort.html.j2", "results.html.j2"} <= set(PAGES)
