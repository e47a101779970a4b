"""Results of lm-evaluation-harness, run by the user on both models: read where they lie, else nothing is missing.

lm-eval (tested with 0.4.13) writes results_<time>.json into a folder named for the model. `results` maps each task to
its numbers: "metric,filter" and "metric_stderr,filter", beside "alias", "sample_len" and others; the standard error is
the text "N/A" where there is none. `n-samples` says how many were asked. How to run it: data/lm_eval/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.errors import RecordError
from tunewright.json_files import read_object
from tunewright.pairing import SIDES

FOLDER = Path("data/lm_eval")
Numbers = dict[tuple[str, str], tuple[float, float | None]]  # (task, metric): value and standard error


def lm_eval_numbers(folder: Path = FOLDER) -> dict[str, Any] | None:
    """Both sides' numbers on the tasks and metrics that both have; None: nobody ran it. Raises RecordError."""
    paths = {side: latest(folder / side) for side in SIDES}
    if not any(paths.values()):
        return None
    if missing := [side for side, path in paths.items() if path is None]:
        raise RecordError(
            f"{folder / missing[0]}: no results_*.json, and the other side has one; run lm_eval on both models, as "
            "data/lm_eval/README.md says, or remove the other side's folder"
        )
    read = {side: read_object(path, "lm_eval") for side, path in paths.items() if path}
    return compared(read["base"], read["tuned"], folder)


def latest(folder: Path) -> Path | None:
    """The newest results file anywhere below a folder, by the time in its name."""
    found = sorted(folder.rglob("results_*.json"), key=lambda path: (path.name, str(path)))
    return found[-1] if found else None


def compared(base: Mapping[str, Any], tuned: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One row for each task and metric that both sides have."""
    one, other = (numbers_of(side, folder) for side in (base, tuned))
    asked, also = (
        {task: (n or {}).get("effective") for task, n in side.get("n-samples", {}).items()} for side in (base, tuned)
    )
    if unlike := [task for task in asked if task in also and asked[task] != also[task]]:
        raise RecordError(
            f"{folder}: {unlike[0]} was asked {asked[unlike[0]]} times of the base and {also[unlike[0]]} of the tuned "
            "model; run lm_eval on both with the same --limit, as data/lm_eval/README.md says"
        )
    rows = [
        {"task": task, "metric": metric, "n": asked.get(task)}
        | {"base": one[task, metric][0], "base_stderr": one[task, metric][1]}
        | {"tuned": other[task, metric][0], "tuned_stderr": other[task, metric][1]}
        | {"difference": other[task, metric][0] - one[task, metric][0]}
        for task, metric in sorted(one.keys() & other.keys())
    ]
    alone = sorted(f"{task} {metric}" for task, metric in one.keys() ^ other.keys())
    return {"tasks": rows, "only_one_side": alone, "version": base.get("lm_eval_version")}


def numbers_of(results: Mapping[str, Any], folder: Path) -> Numbers:
    """Every metric of every task, with its standard error where there is one."""
    if not isinstance(results.get("results"), dict):
        raise RecordError(f"{folder}: not a results file of lm_eval: no `results` in it")
    found: Numbers = {}
    for task, values in results["results"].items():
        for key, value in values.items():
            metric, comma, kind = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            error = values.get(f"{metric}_stderr,{kind}")
            name = metric if kind == "none" else f"{metric} ({kind})"
            found[task, name] = (float(value), float(error) if isinstance(error, int | float) else None)
    return found
