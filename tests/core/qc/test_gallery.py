"""The gallery: self-contained, escaped, and what its keys do in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.qc.assess import Assessed
from crossdl.qc.gallery import write_gallery

ANATOMY = load_anatomy("head_ct")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
NASTY = '</script><img src=x onerror="alert(1)">'
ATTEMPTS = [
    {"step": "elastix", "score": 0.2, "flags": ["folds, much"], "error": ""},
    {"step": "ants", "score": None, "flags": [], "error": "took longer than 9 s"},
]
VOLUMES = {region.name: 10.0 for region in ANATOMY.regions}


def gallery(path: Path) -> str:
    scans = [
        Assessed("lost", None, "the worker process died"),
        Assessed(NASTY, Path("r1"), "", ("folds, much",), {"score": 0.2, "attempts": ATTEMPTS}),
        Assessed("c", Path("r2"), "", (), {"score": 0.9, "region_volumes_ml": VOLUMES}),
        Assessed("d", Path("r3"), "", ("small",), {}, "keep", "looked at"),
    ]  # fmt: skip
    write_gallery(path, scans, [None, b"RIFF", b"RIFF", b"RIFF"], ANATOMY, name=NASTY, key="k")
    return path.read_text(encoding="utf-8")


def test_one_file_without_network(tmp_path: Path) -> None:
    page = gallery(tmp_path / "gallery.html")
    assert "http://" not in page and "https://" not in page and "url(" not in page
    assert page.count("data:image/webp;base64,") == 3
    assert "default-src 'none'" in page
    assert NASTY not in page and "alert(1)" in page
    assert "the worker process died" in page and "elastix: score 0.20; folds, much<" in page
    assert "ants: took longer than 9 s<" in page
    assert re.search(r"Frontal lobe</td><td>R 10, L 10<", page)
    assert re.search(r"Brain stem</td><td>10<", page)


def test_many_scans_are_on_several_pages(tmp_path: Path) -> None:
    scans = [Assessed(f"s{k}", None, "lost") for k in range(5)]

    def write(per_page: int) -> list[str]:
        path = tmp_path / "gallery.html"
        pages = write_gallery(
            path, scans, [None] * 5, ANATOMY, name="n", key="k", per_page=per_page
        )
        assert sorted(pages) == sorted(tmp_path.glob("*.html"))
        return [page.read_text(encoding="utf-8") for page in pages]

    first, second, third = write(2)
    assert 'data-scan="s1"' in first and 'data-scan="s2"' in second and 'data-scan="s4"' in third
    assert '<a href="gallery-2.html">2</a>' in first and '<a href="gallery.html">1</a>' in third
    run(tmp_path / "gallery.html", 'key_("d"); key_("k"); return 0;')
    said = run(tmp_path / "gallery-2.html", 'key_("k"); return toCsv();')
    assert said == "scan,verdict,note,regions\ns2,keep,,\ns0,drop,,\ns1,keep,,\n"
    (tmp_path / "scripted.html").unlink()
    (only,) = write(5)
    assert "<nav>" not in only


def run(page: Path, script: str) -> object:
    """What a script returns that runs in the page, in a real browser."""
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    text = page.read_text(encoding="utf-8")
    wrapped = f"""<pre id="out"></pre><script>
const key_ = (name) => document.dispatchEvent(new KeyboardEvent("keydown", {{ key: name }}));
byId("out").textContent = JSON.stringify((() => {{ {script} }})());
</script></body>"""
    changed = page.with_name("scripted.html")
    changed.write_text(text.replace("</body>", wrapped), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    folder = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [*command, folder, changed.as_uri()], capture_output=True, encoding="utf-8", timeout=60
    )
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    quoted = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
    return json.loads(re.sub("&(lt|gt|amp);", lambda m: quoted[m[0]], found[1]))


def test_keys_decide_and_nothing_is_lost(tmp_path: Path) -> None:
    page = tmp_path / "gallery.html"
    gallery(page)
    said = run(
        page,
        """
        const before = byId("count").textContent, first = at;
        key_("d");                                   // lost
        noteOf(cards[1]).value = 'a "quoted", note'; key_("k");
        key_("d"); const third = at; key_("u");      // c dropped; then d's stored verdict undone
        key_("ArrowLeft"); key_("u"); key_("k");     // c again
        const texts = [before, byId("count").textContent, toCsv()];
        filter("drop"); const dropped = visible().length;
        filter("flagged"); const flagged = visible().length;
        filter("all");
        return { first, third, texts, dropped, flagged, kept: localStorage.getItem(key) };
        """,
    )
    assert isinstance(said, dict)
    assert said["first"] == 0 and said["third"] == 3
    before, after, csv = said["texts"]
    assert before.startswith("1 of 4 decided, 0 dropped") and after == "3 of 4 decided, 1 dropped" \
        ", about 1 s left"  # fmt: skip
    quoted = NASTY.replace('"', '""')
    assert csv.splitlines() == [
        "scan,verdict,note,regions",
        "lost,drop,,",
        f'"{quoted}",keep,"a ""quoted"", note",r1',
        "c,keep,,r2",
    ]
    assert (said["dropped"], said["flagged"]) == (1, 3)
    stored = dict(json.loads(said["kept"]))
    assert stored["c"]["verdict"] == "keep" and set(stored) == {"lost", NASTY, "c"}
    again = run(page, "return toCsv();")  # the same browser opens the page another time
    assert isinstance(again, str) and again.splitlines()[:4] == csv.splitlines()


def test_a_file_of_verdicts_is_taken_up(tmp_path: Path) -> None:
    page = tmp_path / "gallery.html"
    gallery(page)
    said = run(
        page,
        r'''
        load('\ufeffscan,note,verdict,regions\r\nc,"two\r\nlines, ""x""",drop,r2\r\n' +
             'lost,,keep,other regions\r\nnobody,,keep,\r\n');
        const loaded = [byId("message").textContent, toCsv(), noteOf(cards[2]).value];
        load("name,age\n"); return [...loaded, byId("message").textContent];
        ''',
    )
    assert isinstance(said, list)
    assert said[0] == "1 of 3 verdicts loaded"
    assert 'c,drop,"two\nlines, ""x""",r2' in said[1] and "lost" not in said[1]
    assert said[3].startswith("this is no file of verdicts")
