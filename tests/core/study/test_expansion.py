"""Studies in a registry file: what their cells become, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.errors import ConfigError
from crossdl.registry import Registry, load_registry
from crossdl.study.definition import Study
from crossdl.study.expansion import expand

Write = Callable[..., Path]

FAKES = Path(__file__).parents[1] / "fakes" / "plugins"
BASE = """
[compositions.base]
cohort = { kind = "few" }
discretizer = "silent"
segmenter = "blank"
analyzer = { kind = "net", pooling = { kind = "best", k = 7 } }
evaluators = [{ kind = "count" }]
"""


@pytest.fixture
def registry_file(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "registry.toml"
        path.write_text(f"plugin_paths = ['{FAKES}']\n{BASE}{text}", encoding="utf-8")
        return path

    return write


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_registry(path)
    return caught.value.problems


STUDY = "[studies.s]\nbase = 'base'\n"
POOLINGS = "{field='analyzer.pooling', values=['largest', {kind='best', k=3}, {kind='best', k=4}]}"


def test_every_combination_of_values_and_seeds_is_a_cell(registry_file: Write) -> None:
    registry = load_registry(
        registry_file(
            f"{STUDY}seeds = [1, 2]\naxes = [{POOLINGS}, "
            "{field='analyzer.epochs', values=[2, 3], titles=['Few', 'Many']}]\n"
        )
    )
    cells = registry.cells("s")
    assert [c.slug for c in cells[:3]] == ["largest__few_seed1", "largest__few_seed2",
                                           "largest__many_seed1"]  # fmt: skip
    assert len(cells) == len({c.slug for c in cells}) == 12
    last = cells[-1]
    assert last.label == "best(k=4), Many, seed 2"
    dumped = last.composition.model_dump()
    assert (dumped["seed"], dumped["analyzer"]["epochs"]) == (2, 3)
    assert dumped["analyzer"]["pooling"]["k"] == 4


def test_a_field_may_lead_through_defaults_and_lists(registry_file: Write) -> None:
    registry = load_registry(
        registry_file(
            STUDY + "axes = [{field='evaluators.0.resamples', values=[1, 2]}]\n"
            "[studies.t]\nbase='base'\naxes=[{field='analyzer.optimizer.rate', values=[0.5]}]\n"
        )
    )
    resamples = [
        c.composition.model_dump()["evaluators"][0]["resamples"] for c in registry.cells("s")
    ]
    assert resamples == [1, 2]
    (cell,) = registry.cells("t")
    assert cell.composition.model_dump()["analyzer"]["optimizer"]["rate"] == 0.5


def test_without_a_field_several_change_together(registry_file: Write) -> None:
    registry = load_registry(
        registry_file(
            STUDY + "axes = [{values=[{}, {train_share=0.5, analyzer={epochs=2}}], "
            "titles=['All', 'Half']}]\n"
        )
    )
    whole, half = (c.composition.model_dump() for c in registry.cells("s"))
    assert whole == registry.composition("base").model_dump()
    assert (half["train_share"], half["analyzer"]["epochs"]) == (0.5, 2)
    assert half["analyzer"]["pooling"]["k"] == 7


SCALE = """
[scales.big]
seeds = [4, 5]
cohort = [{ kind = "many", size = 9 }, { kind = "few", size = 3 }]
analyzer = { epochs = 40, optimizer = { rate = 0.7 } }
"""


def test_a_scale_changes_what_no_axis_sets(registry_file: Write) -> None:
    registry = load_registry(
        registry_file(
            f"{STUDY}axes = [{{field='analyzer', values=[{{}}, {{epochs=2}}, "
            f"{{pooling='largest'}}], titles=['a', 'b', 'c']}}]\n{SCALE}".replace(", size = 3", "")
        )
    )
    cells = registry.cells("s", "big")
    assert [c.slug for c in cells] == [f"{v}_seed{s}" for v in "abc" for s in (4, 5)]
    analyzers = [c.composition.model_dump()["analyzer"] for c in cells[::2]]
    assert [a["epochs"] for a in analyzers] == [40, 2, 40]
    assert [a["optimizer"]["rate"] for a in analyzers] == [0.7, 0.7, 0.7]
    assert [a["pooling"]["kind"] for a in analyzers] == ["best", "best", "largest"]
    changed = registry.cells("s", "big", {"analyzer.epochs": 6})
    epochs = [c.composition.model_dump()["analyzer"]["epochs"] for c in changed[::2]]
    assert epochs == [6, 2, 6]


def test_a_study_may_have_other_axes_at_a_scale(registry_file: Write) -> None:
    registry = load_registry(
        registry_file(
            f"{STUDY}axes = [{POOLINGS}]\n[studies.s.at.big]\nseeds = [9]\n"
            "axes = [{field='analyzer.pooling', values=['largest']}]\n[scales.big]\nseeds=[1]\n"
        )
    )
    assert len(registry.cells("s")) == 3
    assert [c.slug for c in registry.cells("s", "big")] == ["largest_seed9"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("axes=[{field='analyzer.poling', values=['best']}]", "axes.0.field: analyzer has no field "
         "'poling'; did you mean 'pooling'?"),
        ("axes=[{field='analyser', values=['net']}]", "axes.0.field: a composition has no field "
         "'analyser'; did you mean 'analyzer'?"),
        ("axes=[{field='analyzer.epochs.x', values=[1]}]", "analyzer.epochs is a single value"),
        ("axes=[{field='evaluators.4', values=['count']}]", "is a list: give a position"),
        ("axes=[{field='seed', values=[1]}]", "axes.0.field: the seed varies by seeds"),
        ("axes=[{field='analyzer.epochs', values=[1, 1]}]", "values: item 1 (1) is there twice"),
        ("axes=[{field='analyzer.epochs', values=[1, '1']}]", "axes.0: two values have one title"),
        ("axes=[{field='analyzer.epochs', values=[]}]", "values: Tuple should have at least 1"),
        ("axes=[]", "axes: Tuple should have at least 1"),
        ("axes=[{field='analyzer.epochs', values=[3, 0]}]", "axes.0.values.1: analyzer.epochs: I"),
        ("axes=[{field='analyzer.epochs', values=['many']}]", "valid integer"),
        ("axes=[{field='analyzer.pooling', values=['bset']}]", "no pooling of kind 'bset'; did "
         "you mean 'best'?"),
        ("axes=[{field='analyzer.pooling', values=[{kind='best', kk=1}]}]",
         "axes.0.values.0: analyzer.pooling.kk: unknown field"),
        ("axes=[{field='analyzer.epochs', values=[3], title=['a']}]", "axes.0.title: Input"),
        ("axes=[{field='analyzer.epochs', values=[3], titles=['a', 'b']}]", "values and 2 titles"),
        ("axes=[{field='analyzer.epochs', value=[3], values=[3]}]", "value: unknown field; did"),
        ("axes=[{values=[3]}]", "axes.0: without a field every value must be a table"),
        ("axes=[{values=[{analyser={}}]}]", "axes.0.values.0: analyser: unknown field; did you"),
        ("axes=[{field='train_share', values=[1.5]}]", "axes.0.values.0: train_share: Input"),
        ("axes=[{field='analyzer.epochs', values=[3]}, {field='analyzer.epochs', values=[4]}]",
         "axes: analyzer.epochs is the field of two axes"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\nseeds=[-1]", "seeds.0: Input should"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\nseeds=[1, 1]", "seeds: item 1 (1) is"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\nmetric=['a']", "metric: unknown field"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\n[studies.s.at.tny]\nseeds=[1]",
         "at.tny: there is no such scale; did you mean 'tiny'?"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\n[scales.x]\nanalyzer={optimizer={rat=1}}",
         "scales.x.analyzer.optimizer.rat: unknown field; did you mean 'rate'?"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\n[scales.x]\nanalyser={epochs=1}",
         "scales.x.analyser: unknown field; did you mean 'analyzer'?"),
        ("axes=[{field='analyzer.epochs', values=[3]}]\n[scales.x]\nanalyzer={pooling={k=0}}",
         "scales.x.analyzer.pooling.k: Input should be greater"),
    ],
)  # fmt: skip
def test_one_mistake(registry_file: Write, text: str, expected: str) -> None:
    (problem,) = problems_of(registry_file(STUDY + text))
    assert problem.startswith("line ")
    assert expected in problem


def test_mistakes_of_all_cells_come_at_once(registry_file: Write) -> None:
    found = problems_of(
        registry_file(
            STUDY + "axes = [{field='analyzer.epochs', values=[0, 1, 'x']}, "
            "{field='analyzer.pooling', values=['bst', 'best', {kind='best', k='y'}]}]\n"
        )
    )
    assert len(found) == 4


def test_a_plugin_that_cannot_be_imported_is_a_mistake_of_its_cell(
    registry_file: Write, tmp_path: Path
) -> None:
    folder = tmp_path / "mine" / "analyzers" / "pooling"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text('"""A pooling."""\nimport no_such_package\n')
    file = registry_file(STUDY + "axes = [{field='analyzer.pooling', values=['best', 'broken']}]\n")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("plugin_paths = [", "plugin_paths = ['mine', "), encoding="utf-8")
    (problem,) = problems_of(file)
    assert "studies.s.axes.0.values.1: analyzer.pooling: " in problem
    assert "no_such_package" in problem


@cache
def shipped() -> Registry:
    return load_registry()


@given(titles=st.lists(st.text(max_size=80), min_size=1, max_size=6, unique=True))
def test_folders_are_names_and_different(titles: list[str]) -> None:
    registry = shipped()
    study = Study.model_validate(
        {
            "base": "crossdl",
            "axes": [
                {
                    "field": "description",
                    "values": titles,
                    "titles": [f"{t}{i}" for i, t in enumerate(titles)],
                }
            ],
        }
    )
    context: dict[str, Any] = {"catalog": registry.catalog}
    slugs = [c.slug for c in expand(study, registry.composition("crossdl"), context)]
    assert len(set(slugs)) == len(titles)
    for slug in slugs:
        assert slug.replace("_", "").replace(".", "").isalnum() and slug.isascii()
        assert slug.lower() == slug and len(slug) < 90
