"""Checks of every component: its config and its imports."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import get_args

from pydantic import BaseModel, ValidationError

from crossdl.testing.checks import Subject, as_json, check, ensure, ensure_raises

HEAVY = (
    "torch",
    "itk",
    "ants",
    "monai",
    "lightning",
    "SimpleITK",
    "transformers",
    "sklearn",
    "matplotlib",
    "nilearn",
)
"""Packages whose import takes long: no listing or checking may need them."""

_BUILD = """
import json, pathlib, sys
from crossdl.anatomy import Anatomy
from crossdl.catalog import Catalog
given = json.load(sys.stdin)
catalog = Catalog([pathlib.Path(p) for p in given["plugin_paths"]])
config = catalog.parse(given["slot"], given["config"])
catalog.create(given["slot"], config, Anatomy.model_validate(given["anatomy"]))
print(json.dumps([name for name in given["heavy"] if name in sys.modules]))
"""


@check("component")
def config_round_trip(subject: Subject) -> None:
    """A dumped config validates to an equal one, through Python objects and through JSON."""
    for mode in ("python", "json"):
        dumped = subject.config.model_dump(mode=mode)
        if mode == "json":
            dumped = json.loads(as_json(dumped, "the config"))
        again = subject.catalog.parse(subject.slot, dumped)
        ensure(again == subject.config, f"the config changed on its way through {mode}: {again!r}")


@check("component")
def config_is_frozen_and_strict(subject: Subject) -> None:
    """A config cannot be changed, and a misspelt field is an error."""

    def change() -> None:
        subject.config.kind = "other"

    def misspell() -> None:
        dumped = subject.config.model_dump()
        subject.catalog.parse(subject.slot, {**dumped, "no_such_field": 1})

    ensure_raises(ValidationError, change, "changing a config must be refused")
    ensure_raises(ValidationError, misspell, "an unknown field must be refused")


@check("component")
def config_fields_are_described(subject: Subject) -> None:
    """Every field but ``kind`` has a description, those of nested models included."""

    def walk(model: type[BaseModel], prefix: str) -> None:
        for name, info in model.model_fields.items():
            if name != "kind":
                ensure(bool(info.description), f"field {prefix}{name} has no description")
            for inner in (info.annotation, *get_args(info.annotation)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    walk(inner, f"{prefix}{name}.")

    walk(type(subject.config), "")


@check("component")
def kind_is_file_name(subject: Subject) -> None:
    """The config's kind is the kind it is listed as, and no other value is allowed."""
    ensure(subject.config.kind == subject.kind, f"the config says kind = {subject.config.kind!r}")
    ensure_raises(
        ValidationError,
        lambda: type(subject.config).model_validate(
            {**subject.config.model_dump(), "kind": "another"},
            context={"catalog": subject.catalog},
        ),
        f'kind must be Literal["{subject.kind}"]',
    )


@check("component")
def documented(subject: Subject) -> None:
    """The class says in one line what it does; listings find a line without importing."""
    component = subject.catalog.component(subject.slot, subject.kind)
    ensure(bool(inspect.getdoc(component)), f"{component.__name__} has no docstring")
    entry = subject.catalog.entry(subject.slot, subject.kind)
    ensure(bool(subject.catalog.summary(entry)), "`crossdl list` finds no docstring")


@check("component")
def construction_is_light(subject: Subject) -> None:
    """Validating the config and building the component import none of the heavy packages."""
    entry = subject.catalog.entry(subject.slot, subject.kind)
    given = {
        "plugin_paths": [str(p) for p in subject.catalog.plugin_paths],
        "slot": subject.slot,
        "config": subject.config.model_dump(mode="json"),
        "anatomy": subject.anatomy.model_dump(mode="json"),
        "heavy": HEAVY,
    }
    done = subprocess.run(
        [sys.executable, "-c", _BUILD],
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    ensure(done.returncode == 0, f"{entry.kind} cannot be built alone:\n{done.stderr}")
    heavy = json.loads(done.stdout.splitlines()[-1])
    ensure(not heavy, f"building it imports {', '.join(heavy)}; import inside functions")
