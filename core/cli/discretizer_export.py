"""``crossdl discretizer export``: a trained discretizer for ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import DiscretizerName, RegistryFile


def export(
    out: Annotated[Path, typer.Option("--out", help="New folder for model.onnx and its files.")],
    discretizer: DiscretizerName = "bert",
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights as 8 bit integers: a quarter of the size.")
    ] = False,
    registry: RegistryFile = None,
) -> None:
    """Write a trained discretizer as ONNX, with its vocabulary and labels.

    model.onnx takes ids and mask, (texts, tokens), and gives logits; model.json has the labels,
    temperatures and thresholds, tokenizer.json the vocabulary.
    """
    from crossdl.errors import InputError
    from crossdl.files import filling
    from crossdl.plugins.discretizers.bert import BertDiscretizer
    from crossdl.registry import load_registry
    from crossdl.text.trained import find_discretizer

    reader = find_discretizer(discretizer, load_registry(registry))
    if not isinstance(reader, BertDiscretizer):
        raise InputError(
            f"{discretizer}: is a discretizer of kind {reader.config.kind!r}, which has no network "
            "to export; give one of kind 'bert'"
        )
    with filling(out) as working:
        reader.save(working)
        reader.export(working / "model.onnx", int8=int8)
    size = (out / "model.onnx").stat().st_size / 1e6
    typer.echo(f"{out / 'model.onnx'}: {size:.1f} MB, beside it tokenizer.json and model.json")
