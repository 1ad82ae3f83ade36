"""Sentences a second of a trained discretizer: ``python benchmarks/discretize_throughput.py``.

Labels 125,430 sentences, the number of the paper's corpus, splitting included, as ``crossdl
discretize`` does, and compares with a plain loop over the same network in the same process:
batches of 32 in the order of the corpus, every text padded to 128 tokens, float32. The plain loop
runs on the first ``--plain`` sentences only and is extrapolated.

The corpus: ``--unique`` (default 0.3) of the sentences are different ones, made of the first
sentences of the file by exchanging terms; each of the others repeats one of them, chosen with
Zipf's weights (1 / rank), as templates are repeated. FILE has labelled or plain sentences (.jsonl).
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.label_cache import LabelCache
from crossdl.report_files import read_rows
from crossdl.reports import find_units
from crossdl.text.substitution import substituted
from crossdl.text.tokens import PAD, encode, special_id

CHUNK = 4096
"""Reports labelled at a time."""


def main() -> None:
    """Measures both in one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--sentences", type=int, default=125_430)
    parser.add_argument("--unique", type=float, default=0.3)
    parser.add_argument("--plain", type=int, default=1024)
    given = parser.parse_args()
    anatomy, catalog = load_anatomy("head_ct"), default_catalog()
    reader = catalog.create("discretizer", catalog.parse("discretizer", "bert"), anatomy)
    seeds = [row.text for row in read_rows(given.file, column=None, encoding=None)]
    different = substituted(seeds, anatomy, round(given.sentences * given.unique), 0)
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, len(different) + 1)
    again = rng.choice(len(different), given.sentences - len(different), p=weights / weights.sum())
    order = rng.permutation(np.concatenate([np.arange(len(different)), again]))
    corpus = [different[i] for i in order]
    reader.label(corpus[:64])

    begun = time.perf_counter()
    cache = LabelCache(reader)
    for start in range(0, len(corpus), CHUNK):
        chunk = corpus[start : start + CHUNK]
        cache.label_each([[unit.text for unit in find_units(reader, text)] for text in chunk])
        done = start + CHUNK
        if done % (8 * CHUNK) == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"  {done} sentences, {time.perf_counter() - begun:.1f} s, peak {peak:.0f} MB")
    ours = len(corpus) / (time.perf_counter() - begun)

    model = reader._ready
    padding = special_id(model.tokenizer, PAD)
    begun = time.perf_counter()
    with torch.inference_mode():
        for start in range(0, given.plain, 32):
            rows = encode(model.tokenizer, corpus[start : start + 32], 128)
            ids = np.full((len(rows), 128), padding, dtype=np.int64)
            for i, row in enumerate(rows):
                ids[i, : len(row)] = row
            batch = torch.from_numpy(ids)
            model.network(batch, batch != padding).sigmoid()
    plain = given.plain / (time.perf_counter() - begun)
    print(f"{len(corpus)} sentences, {len(set(corpus)) / len(corpus):.0%} different")
    print(f"ours {ours:.0f} sentences/s, plain {plain:.0f}, ratio {ours / plain:.1f}")


if __name__ == "__main__":
    main()
