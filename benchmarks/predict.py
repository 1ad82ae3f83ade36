"""Where the time of ``crossdl predict`` goes, and how much memory it takes.

``python benchmarks/predict.py SCAN [ROUNDS] [OPTION ...]`` predicts a scan in ROUNDS (default 5)
new processes, one after the other, and prints the median processor seconds of start-up (the
interpreter, torch, the model), of work (all that follows, whatever is imported on the way
included) and its stages, and the largest peak of memory. Options are those of the command, such
as ``--flip``. Processor time, because other programs hardly change it; each library has one
thread.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES = {
    "crossdl.prediction_batch:Method.load": "load the model",
    "crossdl.io.volumes:read_volume": "read the scan",
    "crossdl.preprocessing:preprocess": "window, crop, resize",
    "crossdl.training.analyzer:NetworkAnalyzer.predict": "network",
    "crossdl.predictors:mean": "mean of maps",
    "crossdl.prediction_files:maps_of_patient": "maps to the patient's grid",
    "crossdl.io.volumes:write_ct": "write the CT",
    "crossdl.io.volumes:write_volume": "write regions and heatmaps",
    "crossdl.prediction_files:overlay": "draw the picture",
    "crossdl.figures:save_figure": "write the picture",
}
"""Function → what its own time, without that of the others it calls, is called."""


def child(arguments: list[str]) -> None:
    """Runs the command with a clock in every stage; prints JSON as the last line."""
    own: dict[str, float] = defaultdict(float)
    begun: dict[str, float] = {}
    calls = threading.local()

    def clocked(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            outer, calls.inner = getattr(calls, "inner", 0.0), 0.0
            start = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                spent = time.thread_time() - start
                own[stage] += spent - calls.inner
                calls.inner = outer + spent
                if stage == "load the model":
                    begun.update(cpu=time.process_time(), wall=time.monotonic())

        return run

    for place, stage in STAGES.items():
        module, _, name = place.partition(":")
        holder: Any = importlib.import_module(module)
        *parents, name = name.split(".")
        for parent in parents:
            holder = getattr(holder, parent)
        setattr(holder, name, clocked(stage, getattr(holder, name)))
    from crossdl.cli import app

    app(["predict", *arguments], standalone_mode=False)
    found = {
        "stages": own,
        "start-up": begun["cpu"],
        "work": time.process_time() - begun["cpu"],
        "wall": time.monotonic() - begun["wall"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # kB on Linux
    }
    print(json.dumps(found))


def main(arguments: list[str]) -> None:
    """Prints the table."""
    scan, options = arguments[0], arguments[1:]
    rounds = int(options.pop(0)) if options and options[0].isdigit() else 5
    found = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, __file__, "--child", scan, "--out", out, *options]
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, check=True, encoding="utf-8"
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            size = sum(path.stat().st_size for path in Path(out).iterdir())

    def median(name: str) -> float:
        return statistics.median(one["stages"].get(name, one.get(name, 0.0)) for one in found)

    print(f"{'start-up':<30}{median('start-up'):6.2f} s")
    print(f"  {'load the model':<28}{median('load the model'):6.2f} s")
    print(f"{'work':<30}{median('work'):6.2f} s ({median('wall'):.2f} s on the clock)")
    for stage in dict.fromkeys(STAGES.values()):
        if stage != "load the model" and any(stage in one["stages"] for one in found):
            print(f"  {stage:<28}{median(stage):6.2f} s")
    print(f"{'least work of all rounds':<30}{min(one['work'] for one in found):6.2f} s")
    print(f"{'peak memory':<30}{max(one['peak'] for one in found):6.0f} MB")
    print(f"{'results':<30}{size / 1e6:6.1f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
    elif len(sys.argv) < 2 or not Path(sys.argv[1]).exists():
        sys.exit("give a DICOM series folder or a NIfTI file")
    else:
        main(sys.argv[1:])
