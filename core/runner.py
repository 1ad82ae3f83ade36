"""The pipeline of one run: discretize → register → train → predict → evaluate → report.

Every stage leaves its result on disk and is skipped when it is there, so a killed run goes on
where it stopped; registrations are shared between runs through the cache. A scan that fails is
reported at the end and the others go on.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import Catalog
from crossdl.errors import CrossDLError, InputError
from crossdl.evaluation.cases import CohortScan, Evaluation, ScanCase
from crossdl.evaluation.lines import evaluation_set, prediction_line, read_fit, report_fields
from crossdl.files import filling, link_tree, write_json, write_text
from crossdl.interfaces import AbnormalityAnalyzer, CohortSource, Evaluator
from crossdl.models import load_model, model_digest
from crossdl.registry import Composition
from crossdl.rundir import RunDirectory
from crossdl.training.preparation import Preparation
from crossdl.types import Prediction, RegionMap, ScanRecord, Split, Volume

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


_PREDICTIONS: dict[Split, str] = {
    "valid": "validation.jsonl",
    "test": "predictions.jsonl",
}
EXAMPLES = 3
"""Test scans shown as pictures in the summary: those with the highest abnormality score."""


@dataclass(frozen=True)
class Failure:
    """One item that a stage could not process."""

    scan_id: str
    stage: str
    reason: str


@dataclass(frozen=True)
class RunResult:
    """What a finished run shows."""

    table: Table
    failures: list[Failure]
    summary: Path


def execute(
    composition: Composition,
    *,
    catalog: Catalog,
    name: str,
    folder: Path,
    workers: int | None,
    console: Console,
    model: Path | None = None,
) -> RunResult:
    """Runs a composition into a folder, or continues it.

    Args:
        composition: Validated.
        catalog: Where its kinds come from.
        name: What the summary calls it.
        folder: The run's folder.
        workers: Registration processes, None for one per core.
        console: Where stages are announced.
        model: Folder of a trained model that is only evaluated, instead of training one.

    Raises:
        CrossDLError: A component's settings are wrong, the cohort is unusable, too little of it
            is left to train on, or ``model`` is unreadable or has another anatomy.
    """
    asked = {"name": name, **composition.model_dump(mode="json")}
    if model is not None:
        asked["analyzer"] = {"model": model_digest(model)}
    anatomy = load_anatomy(composition.anatomy)
    evaluators = {c.kind: catalog.create("evaluator", c, anatomy) for c in composition.evaluators}
    run = RunDirectory(folder, asked)
    with run.log() as log:
        pipeline = _Pipeline(composition, catalog, evaluators, run, workers, console, log)
        if not (run.path / "predictions.jsonl").is_file():
            if model is None:
                pipeline.train()
            else:
                pipeline.use(model)
            pipeline.predict()
        return pipeline.report(name)


class _Pipeline:
    """The stages of one run and what they share."""

    def __init__(
        self,
        composition: Composition,
        catalog: Catalog,
        evaluators: Mapping[str, Evaluator[Any]],
        run: RunDirectory,
        workers: int | None,
        console: Console,
        log: logging.Logger,
    ) -> None:
        self.composition = composition
        self.catalog = catalog
        self.run = run
        self.console = console
        self.log = log
        self.ready = Preparation(
            composition, catalog, workers=workers, stage=self._stage, fail=self._fail
        )
        self.anatomy: Anatomy = self.ready.anatomy
        self.cohort: CohortSource[Any] = self.ready.cohort
        self.analyzer: AbnormalityAnalyzer[Any] = self._create("analyzer", composition.analyzer)
        self.evaluators = evaluators
        self.failures: list[Failure] = []

    def _create(self, slot: str, config: Any) -> Any:
        return self.catalog.create(slot, config, self.anatomy)

    @contextmanager
    def _stage(self, title: str) -> Iterator[None]:
        self.console.rule(title, align="left")
        self.log.info("%s: start", title)
        start = time.monotonic()
        yield
        seconds = time.monotonic() - start
        self.run.add_stage(title, seconds)
        self.log.info("%s: done in %.1f s", title, seconds)

    def _fail(self, scan_id: str, stage: str, reason: str) -> None:
        self.failures.append(Failure(scan_id, stage, reason))
        self.log.warning("%s failed in %s: %s", scan_id, stage, reason)

    def train(self) -> None:
        """Fits the analyzer, unless the run holds a trained one."""
        model = self.run.path / "model"
        if model.is_dir():
            self.analyzer.load(model)
            return
        samples = self.ready.samples(self.analyzer.input_shape)
        self._keep_discretizer()
        for split, found in samples.items():
            if not found:
                silver = self.composition.train_labels == "silver"
                raise InputError(
                    f"no usable {split} scan is left ({len(self.failures)} failed, see "
                    f"{self.run.path / 'run.log'}); the cohort needs {split} scans with "
                    f"{'silver sentences' if silver else 'reports or labels'}"
                )
        with self._stage("Train"):
            result = self.analyzer.fit(
                samples["train"],
                samples["valid"],
                seed=self.composition.seed,
                folder=self.run.path / "training",
            )
        write_json(self.run.path / "training.json", asdict(result))
        write_json(self.run.path / "failures.json", [asdict(f) for f in self.failures])
        with filling(model) as working:
            self.analyzer.save(working)
        self.analyzer.load(model)  # what is measured is what is kept, rounded weights included

    def use(self, model: Path) -> None:
        """Takes a trained analyzer instead of fitting one."""
        trained = load_model(model, self.catalog)
        if trained.anatomy.label_names != self.anatomy.label_names or (
            trained.anatomy.type_names != self.anatomy.type_names
        ):
            raise InputError(
                f"{model}: was trained with other regions or types (anatomy "
                f"{trained.anatomy.name}) than the composition has ({self.anatomy.name}); name "
                "the model's anatomy in the composition"
            )
        self.analyzer = trained

    def _keep_discretizer(self) -> None:
        """Puts the discretizer that has learned from the cohort beside the model."""
        learned, kept = self.ready.learned, self.run.path / "discretizer"
        if learned is not None and not kept.is_dir():
            link_tree(learned, kept)

    def predict(self) -> None:
        """Scores the scans that evaluators want; the highest test scans become pictures."""
        lines: dict[Split, list[dict[str, Any]]] = {}
        splits: tuple[Split, ...] = ("test",)
        if any(e.wants_valid for e in self.evaluators.values()):
            splits = ("valid", "test")
        for split in splits:
            lines[split], best = self._predict(split)
        if not lines["test"]:
            raise InputError(
                f"no test scan could be predicted ({len(self.failures)} failed, see "
                f"{self.run.path / 'run.log'})"
            )
        self._pictures(best)
        previous = self.run.path / "failures.json"
        known = json.loads(previous.read_text(encoding="utf-8")) if previous.is_file() else []
        merged = {json.dumps(f): f for f in [*known, *(asdict(f) for f in self.failures)]}
        write_json(previous, list(merged.values()))
        for split in splits:  # the test scans last: they tell that all are there
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines[split])
            write_text(self.run.path / _PREDICTIONS[split], text)

    def _predict(self, split: Split) -> tuple[list[dict[str, Any]], list[tuple[Volume, Any]]]:
        """Lines of a split's scans, and those with the highest scores."""
        from crossdl.progress import track

        lines: list[dict[str, Any]] = []
        best: list[tuple[float, str, Volume, Any]] = []
        records = self._scorable([r for r in self.ready.records if r.split == split])
        regions: Mapping[str, Callable[[], RegionMap]] = {}
        if self.analyzer.needs_regions:
            regions = self.ready.register(records).regions
            records = [r for r in records if r.scan_id in regions]
        with self._stage(f"Predict {split} scans"):
            for record in track(records, "predicting"):
                truth, source = self._truth(record)
                try:
                    volume = self.cohort.volume(record)
                    found = regions[record.scan_id]() if regions else None
                    prediction = self.analyzer.predict(volume, found)
                    measured = self._measured(record, volume, prediction)
                except CrossDLError as error:
                    self._fail(record.scan_id, "predict", str(error))
                    continue
                line = prediction_line(record, truth, source, prediction, measured)
                line["fingerprint"] = self.cohort.fingerprint(record)
                lines.append(line | self._report_fields(record))
                best.append((prediction.abnormality_score, record.scan_id, volume, prediction))
                best = sorted(best, key=lambda item: (-item[0], item[1]))[:EXAMPLES]
        return lines, [item[2:] for item in best]

    def _measured(
        self, record: ScanRecord, volume: Volume, prediction: Prediction
    ) -> dict[str, Any]:
        """What the evaluators say of a scan while its maps are there."""
        case = ScanCase(record, volume, prediction, lambda: self.cohort.voxel_truth(record))
        found = {kind: evaluator.measure(case) for kind, evaluator in self.evaluators.items()}
        return {kind: said for kind, said in found.items() if said is not None}

    def _report_fields(self, record: ScanRecord) -> dict[str, Any]:
        """What the discretizer made of the scan's report, if an evaluator wants it."""
        wanted = any(e.wants_reports for e in self.evaluators.values())
        read = self.ready.readings.get(record.scan_id) if wanted else None
        return {} if read is None else report_fields(read, self.cohort.silver(record))

    def _scorable(self, records: Sequence[ScanRecord]) -> list[ScanRecord]:
        """The scans that have a truth; the others have failed."""
        found = []
        for record in records:
            if self._truth(record)[0] is None:
                self._fail(record.scan_id, "predict", "no gold labels and no report to score by")
            else:
                found.append(record)
        return found

    def _truth(self, record: ScanRecord) -> tuple[Any, str]:
        if record.truth is not None:
            return record.truth, "gold"
        matrix = self.ready.matrices.get(record.scan_id)
        return (None, "") if matrix is None else (matrix.values, "report")

    def _pictures(self, examples: Sequence[tuple[Volume, Any]]) -> None:
        from crossdl.prediction_files import maps_of_patient, overlay
        from crossdl.results.pictures import save_picture

        for index, (volume, prediction) in enumerate(examples):
            labels, heat = maps_of_patient(prediction, volume, self.anatomy)
            figure = overlay(volume, prediction, labels, heat, self.anatomy)
            save_picture(figure, self.run.path / "figures", f"example_{index + 1}")

    def report(self, name: str) -> RunResult:
        """Measures what ``predictions.jsonl`` holds and writes metrics, figures and summary."""
        from crossdl.figures import training_curves
        from crossdl.results.metrics import metrics_json, results_table
        from crossdl.results.pictures import save_figures, save_picture
        from crossdl.results.provenance import data_facts
        from crossdl.results.run import cohort_flow, write_summary

        path = self.run.path
        lines = self._lines("test")
        evaluations: dict[str, Evaluation] = {}
        with self._stage("Evaluate"):
            valid = self._lines("valid")
            cases = evaluation_set(
                lines, valid=evaluation_set(valid) if valid else None, cohort=self._scans()
            )
            for kind, evaluator in self.evaluators.items():
                evaluations[kind] = evaluator.evaluate(cases, self.composition.seed)
            figures = path / "figures"
            save_figures(evaluations, figures)
            fit = read_fit(path / "training.json")
            if fit is not None:
                save_picture(training_curves(fit.history), figures, "training")
            self.run.add_data(lambda: data_facts(self.cohort, self.ready.records))
        failures = [
            Failure(**f) for f in json.loads((path / "failures.json").read_text(encoding="utf-8"))
        ]
        summary = write_summary(
            path,
            title=name,
            description=self.composition.description,
            evaluations=evaluations,
            anatomy=self.anatomy,
            truth_source=", ".join(sorted({line["truth_source"] for line in lines})),
            failures=failures,
            fit=fit,
            flow=cohort_flow(self.ready.records, failures),
        )
        write_json(path / "metrics.json", metrics_json(evaluations))
        shown = {kind: evaluator.headline for kind, evaluator in self.evaluators.items()}
        return RunResult(results_table(evaluations, self.anatomy, shown), failures, summary)

    def _lines(self, split: Split) -> list[dict[str, Any]]:
        """What was predicted of a split's scans; nothing where that was not wanted."""
        path = self.run.path / _PREDICTIONS[split]
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def _scans(self) -> tuple[CohortScan, ...]:
        """All scans of the cohort with their weak labels."""
        if any(e.wants_reports for e in self.evaluators.values()):
            known = {scan: matrix.values for scan, matrix in self.ready.matrices.items()}
        else:
            known = {r.scan_id: r.labels for r in self.ready.records if r.labels is not None}
        return tuple(CohortScan(r, known.get(r.scan_id)) for r in self.ready.records)
