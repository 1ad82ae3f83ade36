"""The flow's picture: all words and numbers are in it, inside their boxes, and boxes apart."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

import crossdl.ingest.flow_figure as flow_figure_module
from crossdl.ingest.flow import FlowRow
from crossdl.ingest.flow_figure import flow_figure, quiet_fonts

LONG = "description is not one of those that the rules of this hospital accept, " * 4
CHINESE = "检查项目中含有鼻窦、颌面部、眼眶、腮腺、颞骨、视神经、鼻骨、颈椎等词的报告一律不用" * 2


def rows(*drops: tuple[str, str, int, int], total: int = 56_535) -> list[FlowRow]:
    left = total
    found = [FlowRow("collected", "", 0, 0, left, left // 2, left)]
    for step, reason, scans, reports in drops:
        left -= scans
        found.append(FlowRow(step, reason, scans, reports, left, left // 2, left))
    return [*found, FlowRow("kept", "", 0, 0, left, left // 2, left)]


def drawn(flow: list[FlowRow], drawn_shapes: bool = False):
    """Boxes and texts in pixels, and the size of the picture."""
    figure = flow_figure(flow, drawn=drawn_shapes)
    canvas = FigureCanvasAgg(figure)
    with quiet_fonts():
        canvas.draw()
        (ax,) = figure.axes
        boxes = [p.get_window_extent() for p in ax.patches if isinstance(p, Rectangle)]
        texts = [(t.get_text(), t.get_window_extent()) for t in ax.texts if t.get_text().strip()]
    return boxes, texts, figure.bbox


def check_layout(flow: list[FlowRow], drawn_shapes: bool = False) -> str:
    """Every text lies in one box, boxes lie apart and inside; returns all words."""
    boxes, texts, whole = drawn(flow, drawn_shapes)
    for k, box in enumerate(boxes):
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
    for text, extent in texts:
        around = [b for b in boxes if b.x0 <= extent.x0 and extent.x1 <= b.x1
                  and b.y0 <= extent.y0 and extent.y1 <= b.y1]  # fmt: skip
        assert len(around) == 1, text
    for k, (text, extent) in enumerate(texts):
        assert not any(extent.overlaps(other) for _, other in texts[k + 1 :]), text
    return " ".join(text.strip() for text, _ in texts)


def test_words_and_numbers():
    flow = rows(("quality", "few_slices", 280, 0), ("quality", "bone_kernel", 424, 12),
                ("pairing", "not_paired", 0, 1))  # fmt: skip
    words = check_layout(flow)
    for part in (
        "Collected", "56,535 scans of 28,267 patients", "Quality: dropped 704 scans, 12 reports",
        "• Too few slices: 280 scans", "• Bone kernel: 424 scans, 12 reports",
        "Pairing: dropped 1 report", "Kept", "55,831 scans",
    ):  # fmt: skip
        assert part in words, part
    boxes, _, _ = drawn(flow)
    assert len(boxes) == 5  # collected, two steps dropped, one rest between, kept


@pytest.mark.parametrize("reason", [LONG, CHINESE, "WWWWMMMM" * 20, "x", "$a_b$ ^ %"])
def test_long_reasons(reason):
    flow = rows(("a", reason, 12_345_678, 98_765_432), ("b", "y", 1, 0), total=987_654_321)
    words = check_layout(flow).replace(" ", "")
    shown = reason.replace("_", " ").replace(" ", "")
    assert (shown[:1].upper() + shown[1:]).removesuffix(",") in words.replace("•", "")


@settings(max_examples=8)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["series", "reports", "pairing", "quality"]),
            st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1),
            st.integers(0, 10**8), st.integers(0, 10**8),
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_flow(drops):
    check_layout(rows(*drops, total=10**9))


def test_reasons_are_put_in_words():
    flow = rows(("reports", "require_exam_class", 0, 5), ("reports", "exclude_parameters", 0, 2))
    words = check_layout(flow)
    assert "Exam class not accepted: 5 reports" in words and "Parameters excluded" in words


def test_characters_without_a_font_are_looked_up_in_the_table(monkeypatch):
    """A picture shows no row of empty boxes; on a page the browser has fonts."""
    monkeypatch.setattr(flow_figure_module, "_families", lambda: ["DejaVu Sans"])
    flow = rows(("quality", "few_slices", 5, 0), ("registration", "伪影 severe", 3, 2),
                ("registration", "metric above -0.8 (größer)", 1, 0))  # fmt: skip
    words = check_layout(flow, drawn_shapes=True)
    assert "Line 4 of flow.csv: 3 scans, 2 reports" in words and "伪影" not in words
    assert "Too few slices" in words and "Metric above -0.8 (größer)" in words
    assert "伪影 severe: 3 scans" in check_layout(flow)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(flow_figure(flow)).draw()


def test_flow_without_drops():
    words = check_layout(rows())
    assert words.startswith("Kept") and "56,535" in words


def test_no_rows():
    with pytest.raises(ValueError, match="at least one row"):
        flow_figure([])
