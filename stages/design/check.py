"""design-check: the domain's design against the method's checklist, before anything is generated from it.

Every check has a name, the line of the method that it comes from, what was found, and the line to edit. An error stops
the pipeline; a warning does not. All failing checks are told at once: a file that does not read hides only the checks
that need it. The report is written in either case.

Reads all of the domain's design (frameworks, taxonomy, personas, rubric, calibration, planted flaws, brief, prompts,
authored conversations) and the shared prompts.
Writes reports/design-check.md, metrics/design-check.json, and data/design/check.json: generation waits for that file
and not for the report, so that an edit which passes the check reruns nothing by itself.
"""

from tunewright.checks.design import Config, checklist, read_design
from tunewright.checks.report import report, told
from tunewright.config import load, load_domain
from tunewright.errors import ConfigError, run_main
from tunewright.records import write_json, write_text
from tunewright.terminal import Stage

REPORT = "reports/design-check.md"


def main() -> None:
    """Run the checklist, write the report, stop on errors."""
    stage = Stage("design-check")
    config, domain = load("design.check", Config), load_domain()
    stage.start(f"domain {domain.id}")
    subjects = checklist(read_design(domain), config)
    checks = [check for found in subjects.values() for check in found]
    write_text(REPORT, report(domain.title, subjects))
    errors, warnings = ([c for c in checks if not c.passed and c.level == level] for level in ("error", "warning"))
    for warning in warnings:
        stage.note(f"warning: {told(warning)}")
    if errors:
        listed = "\n".join(f"  {told(c)}" for c in errors)
        raise ConfigError(
            f"the design of {domain.id} fails {len(errors)} of {len(checks)} checks:\n{listed}\n"
            f"every check with its evidence is in {REPORT}; edit and run: dvc repro design-check"
        )
    write_json("data/design/check.json", {"domain": domain.id, "n_errors": 0})  # what generation waits for
    metrics = {"n_checks": len(checks), "n_errors": 0, "n_warnings": len(warnings)}
    write_json("metrics/design-check.json", metrics)
    stage.end(f"{len(checks) - len(warnings)} of {len(checks)} checks passed, {len(warnings)} warnings")


if __name__ == "__main__":
    run_main(main)
