"""Each contract check must find the fault it is there for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.errors import CatalogError
from crossdl.testing import Subject, checks_of, contract_tests

GOOD = "return Bags.from_probability((maps.s[:, :, None] * maps.d[:, None]).amax(-1))"


def bags(value: str, first: str = "") -> str:
    """Source of a pooling that gives ``value``, where ``p`` are all products."""
    product = "p = maps.s[:, :, None] * maps.d[:, None]"
    return f"{first}{product}; return Bags.from_probability({value})"


FAULTS = {
    "shape_and_range": bags("2 * p.amax(-1)"),
    "takes_probabilities": f"{GOOD}\n\n"
    "    def __call__(self, regions, abnormality, coarser):\n"
    "        return super().__call__(regions.sqrt(), abnormality, coarser)\n",
    "finite_gradients": bags("(p**2).mean(-1).sqrt()"),
    "agrees_with_its_formula": f"{GOOD}\n\n"
    "    def formula(self, s, d, coarser):\n"
    "        from crossdl.networks.bags import Bags\n\n"
    "        return Bags.from_probability((s * d).mean())\n",
    "inputs_are_left_alone": bags("p.amax(-1)", "maps.regions.mul_(0.5); "),
    "permutation_of_voxels": bags("p[..., :7].amax(-1)"),
    "independent_of_the_batch": bags("p.amax(-1) / p.max().clamp(min=1e-3)"),
    "empty_region": bags("p.sum(-1) / maps.s.sum(-1)[..., None]"),
    "monotone_in_abnormality": bags("(p**2).sum(-1) / p.sum(-1).clamp(min=1e-6)"),
    "label_flip_symmetry": bags(
        "torch.cat([p[:, :1] / 2, p[:, 1:]], 1).amax(-1)", "import torch; "
    ),
    "types_are_pooled_alike": bags("p.amax(-1) * (p.new_ones(p.shape[2]).cumsum(0) / 9)"),
    "bag_size_bias_is_reported": bags("p.sum(-1)"),
}


def failing(subject: Subject, *, only: str | None = None) -> set[str]:
    found = set()
    for check in checks_of(subject.slot):
        if only is None or check.name == only:
            try:
                check.run(subject)
            except AssertionError as error:
                assert str(error)
                found.add(check.name)
    return found


def pooling(fakes: Path, folder: Path, *replacements: tuple[str, str]) -> Subject:
    """The fake maximum with parts of its source replaced."""
    target = folder / "plugins" / "analyzers" / "pooling" / "largest.py"
    target.parent.mkdir(parents=True)
    source = (fakes / "analyzers" / "pooling" / "largest.py").read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    target.write_text(source, encoding="utf-8")
    catalog = Catalog([folder / "plugins"])
    return Subject(catalog, "pooling", "largest", load_anatomy("head_ct"))


def test_a_good_pooling_passes(fakes: Path, tmp_path: Path) -> None:
    assert failing(pooling(fakes, tmp_path)) == set()


def test_every_pooling_check_has_its_fault() -> None:
    own = {c.name for c in checks_of("pooling")} - {c.name for c in checks_of("atlas")}
    assert own == set(FAULTS)


@pytest.mark.parametrize("check", FAULTS)
def test_faults_of_poolings_are_found(fakes: Path, tmp_path: Path, check: str) -> None:
    subject = pooling(fakes, tmp_path, (GOOD, FAULTS[check]))
    assert failing(subject, only=check) == {check}


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        ("kind_is_file_name", 'Literal["largest"] =', "str ="),
        ("config_fields_are_described", '= "largest"\n', '= "largest"\n    k: int = 1\n'),
        ("construction_is_light", "from typing import", "import torch\nfrom typing import"),
        ("config_round_trip", '= "largest"\n', '= "largest"\n    k: float = float("nan")\n'),
        (
            "config_is_frozen_and_strict",
            '= "largest"\n',
            '= "largest"\n    model_config = {"extra": "ignore"}\n',
        ),
        ("documented", '"""The largest product."""', ""),
    ],
)
def test_faults_of_components_are_found(
    fakes: Path, tmp_path: Path, check: str, old: str, new: str
) -> None:
    assert failing(pooling(fakes, tmp_path, (old, new)), only=check) == {check}


def other(fakes: Path, folder: Path, slot: str, kind: str, old: str, new: str) -> Subject:
    shutil.copytree(fakes, folder / "plugins")
    (path,) = (folder / "plugins").rglob(f"{kind}.py")
    source = path.read_text(encoding="utf-8")
    assert old in source
    path.write_text(source.replace(old, new), encoding="utf-8")
    return Subject(Catalog([folder / "plugins"]), slot, kind, load_anatomy("head_ct"))


@pytest.mark.parametrize(
    ("slot", "kind", "old", "new", "check"),
    [
        ("cohort", "few", '"train") for', '["train", "test"][i % 2]) for', None),
        ("cohort", "few", 'f"p{i}", "train"', '"p", ["train", "test"][i % 2]', "patients_stay"),
        ("cohort", "few", 'f"s{i}"', '"s1"', "records_are_stable"),
        ("cohort", "few", 'f"s{i}"', "str(__import__('uuid').uuid4())", "records_are_stable"),
        ("cohort", "few", "return record.scan_id", 'return "same"', "fingerprints"),
        ("cohort", "few", "float(record.scan_id[1:])", "np.nan", "volumes_are_sound"),
        ("discretizer", "silent", "np.float32)\n", "np.float64)\n", "shapes_and_ranges"),
        (
            "discretizer",
            "silent",
            "        return",
            "        regions[:] = 1\n        return",
            "empty_sentences",
        ),
        (
            "discretizer",
            "silent",
            "        return",
            "        regions[:, 0] = [len(s) > 0 for s in sentences]\n        return",
            "mirror_symmetry",
        ),
        (
            "discretizer",
            "silent",
            "        return",
            "        regions[-1:, -1] = n > 1 and len(sentences[-1]) > 2\n        return",
            "independent",
        ),
        ("segmenter", "blank", "threads", "threads", "labels_on_the_input_grid"),
        ("evaluator", "count", "float(n), n=n)", "float('nan'), n=n)", "metrics_are_json"),
        ("evaluator", "count", '"scans": Estimate(float(n)', '"auroc": Estimate(0.5', "one_class"),
        ("evaluator", "count", '"scans": Estimate(float(n)', '"auroc": Estimate(0.5', "perfect"),
        (
            "evaluator",
            "count",
            "float(n), n=n",
            "float(cases.truth[0].sum() + cases.region_scores[0, 0, 0]), n=n",
            "order_is_irrelevant",
        ),
        ("evaluator", "count", "float(n), n=n", "__import__('random').random(), n=n", "determin"),
    ],
)
def test_faults_of_other_slots_are_found(
    fakes: Path, tmp_path: Path, slot: str, kind: str, old: str, new: str, check: str | None
) -> None:
    subject = other(fakes, tmp_path, slot, kind, old, new)
    if check is None:
        assert failing(subject) == set()
    else:
        (name,) = [c.name for c in checks_of(slot) if c.name.startswith(check)]
        assert failing(subject, only=name) == {name}


def test_ids_and_errors(fakes: Path) -> None:
    made = contract_tests("pooling", "best", plugin_paths=[fakes], config={"k": 3})
    (mark,) = made.pytestmark  # type: ignore[attr-defined]
    ids = [case.id for case in mark.args[1]]
    assert "pooling-best-permutation_of_voxels" in ids
    assert all(re.fullmatch(r"pooling-best-[a-z_]+", one) for one in ids)
    assert mark.args[1][0].values[0].config.k == 3
    with pytest.raises(CatalogError, match="did you mean 'best'"):
        contract_tests("pooling", "bset", plugin_paths=[fakes])
    with pytest.raises(CatalogError, match="did you mean 'pooling'"):
        contract_tests("poling")
    with pytest.raises(CatalogError, match="did you mean 'best'"):
        contract_tests("pooling", plugin_paths=[fakes], configs={"pooling/bset": {}})


def test_marks_go_by_id(fakes: Path) -> None:
    made = contract_tests(
        "pooling", plugin_paths=[fakes], marks={"*-best-finite*": pytest.mark.slow}
    )
    (mark,) = made.pytestmark  # type: ignore[attr-defined]
    slow = [case.id for case in mark.args[1] if case.marks]
    assert slow == ["pooling-best-finite_gradients"]
