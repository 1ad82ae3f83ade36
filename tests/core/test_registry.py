from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossdl.errors import ConfigError, CrossDLError
from crossdl.inheritance import assign, lookup, merge
from crossdl.registry import load_registry
from crossdl.toml_lines import TomlLines

Write = Callable[..., Path]


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_registry(path)
    return caught.value.problems


def only_problem(path: Path) -> str:
    (problem,) = problems_of(path)
    return problem


def test_the_shipped_registry_is_valid() -> None:
    registry = load_registry()
    assert {"crossdl", "demo"} <= set(registry.compositions)
    for name in registry.studies:
        assert list(registry.cells(name))


def test_a_composition_has_every_default(registry_file: Write) -> None:
    made = load_registry(registry_file("")).composition("base")
    dumped = made.model_dump(mode="json")
    assert dumped["segmenter"] == {"kind": "blank", "atlas": None, "threads": 1}
    assert dumped["analyzer"] == {
        "kind": "net",
        "pooling": {"kind": "best", "k": 7, "floor": 0.0},
        "epochs": 5,
        "optimizer": {"rate": 0.1},
    }
    assert dumped["seed"] == 0


def test_every_mistake_is_reported_at_once_with_path_and_line(registry_file: Write) -> None:
    path = registry_file(
        """
[compositions.wrong]
extends = "base"
sed = 3
cohort = { kind = "fewer" }
evaluators = [{ kind = "count" }, { kind = "count", resample = 3 }]

[compositions.wrong.analyzer]
epochs = "many"
optimizer = { rat = 1.0 }
pooling = { kind = "best", kk = 3 }

[studies.s]
base = "bas"
axes = [{ field = "analyzer.pooling", values = ["largest"] }]
"""
    )
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = {
        "compositions.wrong.sed: unknown field; did you mean 'seed'?": "sed = 3",
        "compositions.wrong.cohort: there is no cohort of kind 'fewer'; did you mean 'few'?": (
            'cohort = { kind = "fewer" }'
        ),
        "compositions.wrong.evaluators.1.resample: unknown field; did you mean 'resamples'?": (
            "resample = 3"
        ),
        "compositions.wrong.analyzer.epochs: Input should be a valid integer": 'epochs = "many"',
        "compositions.wrong.analyzer.optimizer.rat: unknown field; did you mean 'rate'?": "rat =",
        "compositions.wrong.analyzer.pooling.kk: unknown field": "kk = 3",
        "studies.s.base: there is no composition 'bas'; did you mean 'base'?": 'base = "bas"',
    }
    found = problems_of(path)
    assert len(found) == len(expected)
    for start, source in expected.items():
        (problem,) = [p for p in found if p.split(": ", 1)[1].startswith(start)]
        line = int(problem.split(":")[0].removeprefix("line "))
        assert source in lines[line - 1], problem
    assert found == sorted(found, key=lambda p: int(p.split(":")[0].removeprefix("line ")))


def test_missing_fields_are_named(registry_file: Write) -> None:
    found = problems_of(registry_file('[compositions.c]\ncohort = "few"\n', base=False))
    assert [p.split(": ", 1)[1] for p in found] == [
        f"compositions.c.{slot}: is missing"
        for slot in ("discretizer", "segmenter", "analyzer", "evaluators")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[compositons.x]\n", "compositons: unknown; did you mean 'compositions'?"),
        ("[studies]\ns = 3\n", "studies.s: must be a table, such as [studies.s]"),
        ("[compositions.'a/b']\n", "compositions.a/b: is not a name"),
        ("[compositions.x]\nextends = 3\n", "compositions.x.extends: must be the name"),
        ("[compositions.x]\nextends='bse'\n", "there is no composition 'bse'; did you mean 'base'"),
        ("[compositions.x]\nextends='base'\nseed=-1\n", "compositions.x.seed: Input should be"),
        ("[compositions.x]\nextends='base'\nseed='a'\n", "compositions.x.seed: Input should be"),
        (
            "[compositions.x]\nextends='base'\nanatomy='head'\n",
            "anatomy 'head' does not exist; did",
        ),
        ("[compositions.x]\nextends='base'\nanalyzer=3\n", "analyzer must be a table with a kind"),
        ("[compositions.x]\nextends='base'\nevaluators=[]\n", "should have at least 1 item"),
        (
            "[compositions.x]\nextends='base'\nevaluators=['count', {kind='count', resamples=9}]\n",
            "x.evaluators: count is there twice; results are kept by kind, so name each once",
        ),
        (
            "[compositions.x]\nextends='base'\nanalyzer={pooling={kind='bst'}}\n",
            "x.analyzer.pooling: there is no pooling of kind 'bst'; did you mean 'best'",
        ),
    ],
)
def test_one_mistake(registry_file: Write, text: str, expected: str) -> None:
    assert expected in only_problem(registry_file(text))


def test_circular_extends(registry_file: Write) -> None:
    found = problems_of(
        registry_file("[compositions.a]\nextends='b'\n[compositions.b]\nextends='a'\n")
    )
    assert any("circular: a -> b -> a" in p for p in found)


def test_a_mistake_of_a_base_is_not_repeated_for_its_heirs(registry_file: Write) -> None:
    problem = only_problem(
        registry_file("[compositions.a]\nextends='base'\nseed=-1\n[compositions.b]\nextends='a'\n")
    )
    assert problem.split(": ")[1] == "compositions.a.seed"


def test_extends_chain_merges_same_kinds_and_replaces_others(registry_file: Write) -> None:
    registry = load_registry(
        registry_file(
            """
[compositions.a]
extends = "base"
segmenter = { threads = 2 }
analyzer = { epochs = 9 }
[compositions.b]
extends = "a"
analyzer = { pooling = { floor = 0.5 } }
[compositions.c]
extends = "b"
analyzer = { pooling = "largest" }
[compositions.d]
extends = "b"
analyzer = { pooling = { kind = "best", floor = 0.25 } }
"""
        )
    )
    analyzer = {n: c.model_dump()["analyzer"] for n, c in registry.compositions.items()}
    assert registry.composition("a").model_dump()["segmenter"]["threads"] == 2
    assert registry.composition("a").description == ""
    assert analyzer["b"]["epochs"] == 9
    assert analyzer["b"]["pooling"] == {"kind": "best", "k": 7, "floor": 0.5}
    assert analyzer["c"]["pooling"] == {"kind": "largest"}
    assert analyzer["d"]["pooling"] == {"kind": "best", "k": 7, "floor": 0.25}


def test_changes(registry_file: Write) -> None:
    registry = load_registry(registry_file(""))
    made = registry.composition(
        "base", {"analyzer.pooling": "largest", "analyzer.epochs": 2, "seed": 4}
    ).model_dump()
    assert made["analyzer"]["pooling"] == {"kind": "largest"}
    assert (made["analyzer"]["epochs"], made["seed"]) == (2, 4)
    with pytest.raises(ConfigError) as caught:
        registry.composition("base", {"analyzer.epoch": 2, "analyser.epochs": 2, "seed": "x"})
    assert len(caught.value.problems) == 3
    assert "did you mean 'epochs'?" in caught.value.problems[0]
    with pytest.raises(ConfigError, match="did you mean 'base'"):
        registry.composition("bas")
    with pytest.raises(ConfigError, match="no study"):
        registry.cells("s")


def test_plugin_paths_are_relative_to_the_file(tmp_path: Path, fakes: Path) -> None:
    shutil.copytree(fakes, tmp_path / "plugins")
    source = (fakes / "analyzers/pooling/largest.py").read_text(encoding="utf-8")
    mine = source.replace("largest", "mine").replace("Largest", "Mine")
    (tmp_path / "plugins/analyzers/pooling/mine.py").write_text(mine, encoding="utf-8")
    file = tmp_path / "registry.toml"
    file.write_text('plugin_paths = ["plugins"]\n', encoding="utf-8")
    registry = load_registry(file)
    entry = registry.catalog.entry("pooling", "mine")
    assert entry.owner == f"folder {tmp_path / 'plugins'}"
    assert registry.catalog.parse("pooling", "mine").kind == "mine"


def test_plugin_paths_must_exist(registry_file: Write, tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text('plugin_paths = ["nowhere"]\nsed = 1\n', encoding="utf-8")
    found = problems_of(file)
    assert "nowhere is not a folder" in found[0] and "sed: unknown" in found[1]


def test_an_anatomy_file_is_relative_to_the_registry(registry_file: Write, tmp_path: Path) -> None:
    from importlib.resources import files

    text = (files("crossdl") / "anatomies" / "head_ct.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.replace('"head_ct"', '"mine"'), encoding="utf-8")
    file = registry_file("[compositions.a]\nextends = 'base'\nanatomy = 'mine.toml'\n")
    assert load_registry(file).composition("a").anatomy == str(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"a = " + b"1" * 5000, "not valid TOML"),
        (b"a = " + b"[" * 20000, "nested too deeply"),
    ],
)
def test_files_that_are_not_toml(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "registry.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        load_registry(path)


def test_deep_tables_are_refused(tmp_path: Path, fakes: Path) -> None:
    deep = ".".join(["analyzer"] * 3000)
    path = tmp_path / "registry.toml"
    path.write_text(
        f"[compositions.a]\n{deep} = 1\n[compositions.b]\nextends = 'a'\n{deep} = 2\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError):
        load_registry(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such registry file"):
        load_registry(tmp_path / "x.toml")


WORDS = [
    *("plugin_paths", "compositions", "studies", "base", "a", "extends", "kind", "description"),
    *("cohort", "discretizer", "segmenter", "analyzer", "evaluators", "pooling", "seed", "axis"),
    *("values", "seeds", "metrics", "anatomy", "few", "silent", "blank", "net", "count", "best"),
    *("k", "epochs", "optimizer", "atlas", "analyzer.pooling.k", "evaluators.0", "0", "", "é.b"),
    *("axes", "field", "titles", "title", "at", "scales"),
]
scalars = (
    st.sampled_from(WORDS)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=8)
    | st.datetimes()
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)
COMPLETE = {
    "cohort": "few",
    "discretizer": "silent",
    "segmenter": "blank",
    "analyzer": {"kind": "net", "pooling": "best"},
    "evaluators": ["count"],
}


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(raw=st.dictionaries(st.sampled_from(WORDS), trees, max_size=6), changes=trees)
@example(raw={"compositions": {"a": {"extends": "a"}}}, changes={})
@example(
    raw={"studies": {"a": {"base": "base", "axes": [{"field": "analyzer", "values": [{}]}]}}},
    changes={},
)
@example(
    raw={
        "studies": {"a": {"base": "base", "axes": [{"values": [{"seed": 1}]}], "at": {"s": {}}}},
        "scales": {"s": {"analyzer": [{"kind": 3}, {}]}, "t": {"analyzer": {"epochs": "x"}}},
    },
    changes={},
)
def test_no_table_raises_anything_but_our_errors(
    raw: dict[str, Any], changes: Any, fakes: Path
) -> None:
    from crossdl.registry_reader import Reader

    given_tables = raw.get("compositions")
    tables = given_tables if isinstance(given_tables, dict) else {}
    changed = merge(COMPLETE, changes) if isinstance(changes, dict) else COMPLETE
    raw = {
        **raw,
        "plugin_paths": [str(fakes)],
        "compositions": {**tables, "base": COMPLETE, "changed": changed},
    }
    try:
        Reader(fakes / "registry.toml", "", raw).registry()
    except CrossDLError as error:
        assert str(error).strip()


@settings(max_examples=100)
@given(base=trees, change=trees)
def test_merging_is_idempotent(base: Any, change: Any) -> None:
    once = merge({"x": base}, {"x": change})
    assert repr(merge(once, {"x": change})) == repr(once)


@settings(max_examples=100)
@given(text=st.text(max_size=200), path=st.lists(st.sampled_from(WORDS) | st.integers(0, 3)))
def test_lines_are_found_in_any_text(text: str, path: list[Any]) -> None:
    line = TomlLines(text).find(path)
    assert line is None or 1 <= line <= len(text.splitlines())


def test_assign_and_lookup() -> None:
    table = {"a": [{"kind": "x", "n": 1}], "b": {"c": 2}}
    assert assign(table, "a.0.n", 5) == {"a": [{"kind": "x", "n": 5}], "b": {"c": 2}}
    assert assign(table, "a.0", "y")["a"] == [{"kind": "y"}]
    assert assign(table, "b.d", 3)["b"] == {"c": 2, "d": 3}
    assert lookup(table, "a.0.n") == 1
    assert table["b"] == {"c": 2}
    with pytest.raises(ConfigError, match="has no field 'cc'"):
        assign(table, "b.cc.d", 1)
