"""Results of lm-evaluation-harness, run by the user on both models: read where they lie, else nothing is missing.

lm-eval (tested with 0.4.13) writes results_<time>.json into a folder named for the model. `results` maps each task to
its numbers: "metric,filter" and "metric_stderr,filter", beside "alias", "sample_len" and others; the standard error is
the text "N/A" where there is none. `n-samples` says how many were asked. How to run it: data/lm_eval/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.errors import RecordError
from tunewright.json_text import JsonFault, briefly, json_value
from tunewright.pairing import SIDES

FOLDER = Path("data/lm_eval")
AGAIN = "run lm_eval again, as data/lm_eval/README.md says, or remove the file"
Numbers = dict[tuple[str, str], tuple[float, float | None]]  # (task, metric): value and standard error


def lm_eval_numbers(folder: Path = FOLDER) -> dict[str, Any] | None:
    """Both sides' numbers on the tasks and metrics that both have; None: nobody ran it. Raises RecordError."""
    paths = {side: latest(folder / side) for side in SIDES}
    if not any(paths.values()):
        return None
    if missing := [side for side, path in paths.items() if path is None]:
        raise RecordError(
            f"{folder / missing[0]}: no results_*.json (the other side holds one), expected both; run lm_eval on both "
            "models, as data/lm_eval/README.md says, or remove the other side's folder"
        )
    read = {side: _read(path) for side, path in paths.items() if path}
    return compared(read["base"], read["tuned"], folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json_value(path.read_bytes(), parse_constant=float)  # lm_eval writes NaN for what it could not count
        wrong = "" if isinstance(found, dict) else f"found {briefly(found)}"
    except JsonFault as fault:
        found, wrong = {}, str(fault)
    if wrong:
        raise RecordError(f"{path}: {wrong}, expected a results file of lm_eval; {AGAIN}")
    return found


def latest(folder: Path) -> Path | None:
    """The newest results file anywhere below a folder, by the time in its name."""
    found = sorted(folder.rglob("results_*.json"), key=lambda path: (path.name, str(path)))
    return found[-1] if found else None


def compared(base: Mapping[str, Any], tuned: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One row for each task and metric that both sides have."""
    one, other = (numbers_of(side, folder) for side in (base, tuned))
    asked, also = ({task: n.get("effective") for task, n in _samples(side, folder).items()} for side in (base, tuned))
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


def _samples(results: Mapping[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """How many were asked, by task."""
    found = results.get("n-samples") or {}
    if not isinstance(found, dict) or not all(isinstance(n, dict | None) for n in found.values()):
        raise RecordError(f"{folder}, n-samples: found {briefly(found)}, expected counts by task; {AGAIN}")
    return {task: n or {} for task, n in found.items()}


def numbers_of(results: Mapping[str, Any], folder: Path) -> Numbers:
    """Every metric of every task, with its standard error where there is one."""
    if not isinstance(results.get("results"), dict):
        raise RecordError(f"{folder}: found no `results`, expected a results file of lm_eval; {AGAIN}")
    found: Numbers = {}
    for task, values in results["results"].items():
        if not isinstance(values, dict):
            raise RecordError(f"{folder}, {task}: found {briefly(values)}, expected its numbers by name; {AGAIN}")
        for key, value in values.items():
            metric, comma, kind = key.partition(",")
            number = _finite(value)
            if not comma or metric.endswith("_stderr") or number is None:
                continue
            name = metric if kind == "none" else f"{metric} ({kind})"
            found[task, name] = number, _finite(values.get(f"{metric}_stderr,{kind}"))
    return found


def _finite(value: Any) -> float | None:
    """A number; None of what lm_eval could not count ("N/A", NaN) and of an integer that no float can hold."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
