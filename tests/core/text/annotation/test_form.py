from __future__ import annotations

from crossdl.anatomy import load_anatomy
from crossdl.labels import ReportLabels
from crossdl.text.annotation.form import BACK, HELP, NOTHING, UNUSABLE, make_form

HEAD = load_anatomy("head_ct")


def test_every_label_of_an_anatomy_has_a_place_and_a_key_of_its_own() -> None:
    form = make_form(HEAD)
    names = [c.name for group in (*form.regions, *form.types) for c in group.choices]
    assert sorted(names) == sorted((*HEAD.label_names, *HEAD.type_names))
    assert sorted(form.keys.values()) == sorted(names)
    assert not {NOTHING, UNUSABLE, BACK, HELP} & set(form.keys)
    assert form.sides == ("Left", "Right")
    assert form.titles["left_frontal_lobe"] == "Left frontal lobe"
    assert all(group.definition for group in (*form.regions, *form.types))


def test_labels_without_anatomy_and_more_labels_than_keys() -> None:
    names = tuple(f"place_{i}" for i in range(40))
    labels = ReportLabels(
        name="x",
        title="X",
        region_labels=names,
        type_labels=tuple(f"t{i}" for i in range(12)),
        definition={"place_1": "the second"},
    )
    form = make_form(labels)
    choices = [group.choices[0] for group in form.regions]
    assert [c.name for c in choices] == list(names) and form.sides == ()
    assert choices[-1].key == "" and form.types[-1].choices[0].key == ""
    assert len(set(form.keys)) == len(form.keys) == sum(bool(c.key) for c in choices) + 9
    assert form.regions[1].title == "Place 1" and form.regions[1].definition == "the second"
