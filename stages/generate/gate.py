"""generate-gate: proceed, iterate or revise, by the pass rate of the conversations that these prompts made.

Nothing proceeds before people have read as many of them as the preset asks for and are satisfied: until then the
decision is to wait for readers. Reports, and stops nothing unless the preset says `stop: true`; then
data/generate/gated.json, which the slices wait for, is only written when the decision is to proceed. Authored and
imported conversations do not count.

Reads data/generate/{personas,transcripts,simulator,scores,review_queue}.jsonl, metrics/generate-fixup.json, the
domain's rubric, authored personas and reviews/<domain>/labels.jsonl.
Writes reports/gate.md, data/generate/gate.json (all its numbers), data/generate/gated.json and
metrics/generate-gate.json.
"""

from typing import Any

from tunewright.authored import load_authored
from tunewright.cases import join_cases
from tunewright.config import load, load_domain
from tunewright.document import to_markdown
from tunewright.errors import GateError, run_main
from tunewright.fixup_rates import read_rates
from tunewright.gate_conditions import GateConfig as Config
from tunewright.gate_conditions import Repairs
from tunewright.gate_decision import WAITING, Gate, decide
from tunewright.gate_readers import Readership, readership_of
from tunewright.gate_report import report
from tunewright.labels import read_labels
from tunewright.people import heard, holding
from tunewright.records import Persona, Score, read_jsonl, write_json, write_text
from tunewright.review_queue import QUEUE, QueueItem
from tunewright.rounding import as_json
from tunewright.rubric import load_rubric
from tunewright.sound import GENERATED, read_sound
from tunewright.terminal import Stage

CHANGE = "Change what it and reports/generation_stats.md name and run: dvc repro generate-gate. "


def headline_numbers(gate: Gate, readership: Readership) -> dict[str, Any]:
    """The few numbers that a person compares between experiments."""
    rate = gate.rate
    return as_json(
        {
            "decision": gate.decision,
            "n_decided": rate.n if rate else 0,
            "n_open": gate.n - (rate.n if rate else 0),
            "pass_rate": rate.share if rate else None,
            "pass_rate_low": rate.low if rate else None,
            "pass_rate_high": rate.high if rate else None,
            "batches_agree_p": gate.homogeneity_p,
            "falling_p": gate.trend.p_falling if gate.trend else None,
            "n_readers": readership.n_readers,
            "n_read": readership.n_read,
            "satisfied_share": readership.satisfied_share,
            "n_unsafe_to_readers": len(readership.unsafe),
        }
    )


def stop_unless_proceeding(gate: Gate, config: Config) -> None:
    """Raise GateError where the preset stops at anything but "proceed"."""
    if config.stop and gate.decision != "proceed":
        change = "" if gate.decision == WAITING else CHANGE
        raise GateError(
            f"reports/gate.md: {gate.decision}: {gate.reason}; expected: proceed. {change}Or go on all the same with: "
            "dvc exp run -S generate.gate.stop=false"
        )


def main() -> None:
    """Decide on the scored conversations."""
    stage = Stage("generate-gate")
    config, domain = load("generate.gate", Config), load_domain()
    sampled = read_jsonl("data/generate/personas.jsonl", Persona, "generate-personas")
    transcripts = read_sound("data/generate/transcripts.jsonl", "generate-transcripts", GENERATED)
    scores = read_jsonl("data/generate/scores.jsonl", Score, "generate-scores")
    cases, left_out = join_cases(transcripts, scores, [*load_authored(domain)[0], *sampled], ())
    new = [case for case in cases if case.is_new]
    stage.start(f"{len(new)} new conversations")
    rates = read_rates()
    repairs = Repairs(rates.n_decided, rates.n_needing)
    rubric, lines = load_rubric(domain.rubric), read_labels(domain.reviews)
    said = heard(holding(lines, {case.transcript.id: case.transcript.content_hash for case in new}, rubric)[0])
    queue = read_jsonl(QUEUE, QueueItem, "generate-review")
    readership = readership_of(new, said, queue, rubric, config.readers)
    gate = decide(new, rubric, config, repairs, readership)
    write_text("reports/gate.md", to_markdown(report(gate, len(left_out), len(cases) - len(new))))
    write_json("data/generate/gate.json", as_json(gate))
    write_json("metrics/generate-gate.json", headline_numbers(gate, readership))
    stop_unless_proceeding(gate, config)
    write_json("data/generate/gated.json", {"domain": domain.id})
    readers = "" if gate.decision in ("proceed", WAITING) else f"; {gate.by_readers[0].says}"
    stage.end(f"{gate.decision}: {gate.reason}{readers}")


if __name__ == "__main__":
    run_main(main)
