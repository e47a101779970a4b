"""From a judged tight batch to a decision: labels by script, and what `dvc repro` then says of judges and gate.

    python -m bench.review_labels    # two minutes of CPU

Ten simulated conversations in two batches, two judges on every criterion, by scripted models behind the real client.
Two readers label them as the review app would: ann all ten, blind, differing from the score by a stable hash; bob the
first five, having seen the judges, differing from ann likewise. What ann finds wrong is counted here from what she
says alone, and must be what generate-review finds in the blind labels. Then bob says NO to a safety gate that the
judges passed.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench.copy import Copy
from bench.edits import COMMON, LIMITS, SPEC
from bench.fake_expert import NO_FAULT
from bench.fake_model_server import Answer, FakeModelServer
from tunewright.document import md_table
from tunewright.label_book import LabelBook
from tunewright.labels import Said
from tunewright.people_agreement import COMBINED
from tunewright.planning import VOCABULARY
from tunewright.records import Score, Transcript, read_json, read_jsonl, stable_seed, stable_unit
from tunewright.review_queue import QUEUE, QueueItem
from tunewright.rubric import Rubric, load_rubric
from tunewright.training_set import SCORES, TRANSCRIPTS

TARGET, DOMAIN = "generate-gate", "therapy"
NO_SHARES = {"kind": 0.03, "strict": 0.10}  # of a judge's answers to criteria that are no gates
FALSE_PASS_SHARE, FALSE_FAIL_SHARE, BOB_DIFFERS_SHARE = 0.08, 0.40, 0.10
BOB_READS = 5
SIDES = ("YES", "NO")
OTHER: dict[Said, Said] = {"YES": "NO", "NA": "NO", "NO": "YES"}
PRICE = {"input_usd_per_mtok": 0.0, "output_usd_per_mtok": 0.0}
PRESET = {"simulated_personas": 10, "batch_size": 5, "replayed": 0, "judged_transcripts": None}
LLM: dict[str, Any] = {role: {**SPEC, "price": PRICE} for role in ("user", "assistant", "expert")}
LLM["judges"] = [{"name": name, **SPEC, "model": f"hosted_vllm/{name}", "price": PRICE} for name in NO_SHARES]


def script(body: dict[str, Any]) -> Answer:
    """A message within its limits, a reply about as long as the message, or a verdict, by a hash of the request."""
    asked = body["messages"]
    rng = random.Random(stable_seed(body["model"], json.dumps(asked)))
    if "response_format" in body:
        if body["response_format"]["json_schema"]["schema"].get("title") == "SimulatorAnswer":
            return Answer(json.dumps(NO_FAULT))
        is_gate = "(safety gate)" in asked[-1]["content"]
        answer = "NO" if not is_gate and rng.random() < NO_SHARES.get(body["model"], 0) else "YES"
        return Answer(json.dumps({"evidence": [1], "reasoning": "as scripted", "answer": answer}))
    limits = LIMITS.search(asked[-1]["content"])
    n_words = rng.randint(*map(int, limits.groups())) if limits else len(asked[-1]["content"].split())
    drawn = rng.choices(VOCABULARY.split(), k=max(n_words, 12))
    drawn[::3] = rng.choices(COMMON, k=len(drawn[::3]))  # the simulator review leaves out who speaks no language
    return Answer(" ".join(drawn) + rng.choice([".", "?"]))


class Reader:
    """One reader of a copy's conversations, who writes labels as the review app does."""

    def __init__(self, copy: Copy, name: str, blind: bool) -> None:
        self._book, self._blind = LabelBook(copy.folder / "reviews" / DOMAIN, name), blind
        self._rubric = load_rubric(str(copy.folder / "conf/domain" / DOMAIN / "rubric.yaml"))

    def says(self, talk: Transcript, said: Said, criterion: str | None) -> None:
        """Write one decision down."""
        asked = next((c for c in self._rubric.criteria if c.id == criterion), None)
        fields = {
            "criterion": criterion,
            "label": said,
            "blind": self._blind,
            "question_hash": self._rubric.question_hash(asked) if asked else None,
            "rubric_version": self._rubric.fingerprint,
        }
        self._book.add(talk, fields)


def opinion(talk: Transcript, criterion: str, score: Score) -> Said:
    """What ann answers: the score's answer, but for some false passes and false fails."""
    answer, at = score.answers[criterion] or "YES", stable_unit("ann", talk.id, criterion)
    if answer == "NO":
        return "YES" if at < FALSE_FAIL_SHARE else "NO"
    return "NO" if at < FALSE_PASS_SHARE else answer


def label(copy: Copy, rubric: Rubric) -> Counter[str]:
    """Both readers label the queue; returns how often ann finds the score wrong, and of how many answers."""
    scores = {s.transcript_id: s for s in read_jsonl(copy.folder / SCORES, Score)}
    ann, bob = Reader(copy, "ann", blind=True), Reader(copy, "bob", blind=False)
    counts: Counter[str] = Counter()
    for place, talk in enumerate(to_read(copy)):
        score = scores[talk.id]
        for criterion in rubric.criteria:
            said = "YES" if criterion.gate else opinion(talk, criterion.id, score)
            ann.says(talk, said, criterion.id)
            if place < BOB_READS:
                differs = not criterion.gate and stable_unit("bob", talk.id, criterion.id) < BOB_DIFFERS_SHARE
                bob.says(talk, OTHER[said] if differs else said, criterion.id)
            is_no, scored_no = said == "NO", score.answers[criterion.id] == "NO"
            counts["NO" if is_no else "accepted"] += 1
            counts["false pass"] += is_no and not scored_no
            counts["false fail"] += scored_no and not is_no
        ann.says(talk, "satisfied" if score.passed else "not satisfied", None)
    return counts


def to_read(copy: Copy) -> list[Transcript]:
    """The conversations of the queue, in its order."""
    talks = {t.id: t for t in read_jsonl(copy.folder / TRANSCRIPTS, Transcript)}
    return [talks[item.transcript_id] for item in read_jsonl(copy.folder / QUEUE, QueueItem) if item.drawn is not None]


def gate(copy: Copy) -> str:
    """What generate-gate says."""
    found = read_json(copy.folder / "data/generate/gate.json")
    return f"**{found['decision']}**: {found['reason']}"


def share(found: dict[str, Any] | None) -> str:
    """A share as the tables write it."""
    if found is None:
        return "-"
    return f"{found['count']} of {found['n']} ({found['low']:.0%} to {found['high']:.0%})"


def agreement_table(people: dict[str, Any]) -> str:
    """Everybody against people, on the parts of the labels."""
    rows = [
        (name, who, *map(share, (found["agreement"], found["false_pass"], found["false_fail"])), _two(found["kappa"]))
        for name in ("all", "blind", "seen")
        for who, found in people["views"][name]["by_judge"].items()
    ]
    head = ("labels", "who", "agreement", "false passes of people's NOs", "false fails of the others", "kappa")
    return md_table(head, rows)


def false_pass_table(people: dict[str, Any]) -> str:
    """The criteria on which the score is wrong at least once: what it says / what people say."""
    rows = []
    for criterion, by in people["by_criterion"].items():
        found = by[COMBINED]
        if any(found[kind] and found[kind]["count"] for kind in ("false_pass", "false_fail")):
            cells = [found["confusion"][said][people_say] for said in SIDES for people_say in (*SIDES, "disputed")]
            rows.append((criterion, *cells, share(found["false_pass"]), share(found["false_fail"])))
    pairs = [f"{said} / {people_say}" for said in SIDES for people_say in (*SIDES, "disputed")]
    return md_table(("criterion", *pairs, "false passes", "false fails"), rows)


def between_readers(people: dict[str, Any]) -> str:
    """How far ann and bob agree."""
    found = people["readers"]["answers"]["ann and bob"]["all"]
    return f"ann and bob: {found['agreement']:.0%} of {found['n']} answers, kappa {found['kappa']:.2f}."


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def results(runs: int = 1) -> str:
    """The whole story; counts are exact, so that one run is enough."""
    with tempfile.TemporaryDirectory() as folder, FakeModelServer(script) as server:
        copy = Copy(Path(folder))
        copy.configure(server.url, LLM, PRESET)
        copy.edit("conf/config.yaml", "judge_trust: calibrated", "judge_trust: assumed")
        copy.tunewright("params")
        copy.repro(TARGET)
        before = gate(copy)
        rubric = load_rubric(str(copy.folder / "conf/domain" / DOMAIN / "rubric.yaml"))
        counts = label(copy, rubric)
        copy.repro(TARGET)
        people, after = read_json(copy.folder / "data/generate/review.json")["people"], gate(copy)
        Reader(copy, "bob", blind=False).says(to_read(copy)[0], "NO", rubric.gates[0].id)
        copy.repro(TARGET)
        return told(people, counts, before, after, gate(copy))


def told(people: dict[str, Any], counts: Counter[str], before: str, after: str, unsafe: str) -> str:
    """The story; raises RuntimeError where generate-review did not find what the script had planted."""
    blind = people["views"]["blind"]["by_judge"][COMBINED]
    found = [(blind[kind]["count"], blind[kind]["n"]) for kind in ("false_pass", "false_fail")]
    planted = [(counts["false pass"], counts["NO"]), (counts["false fail"], counts["accepted"])]
    if found != planted:
        raise RuntimeError(f"false passes and false fails: planted {planted}, found {found}")
    (n_passes, n_refused), (n_fails, n_accepted) = found
    labels = (
        f"{people['n_labels']} labels of {people['n_readers']} readers, {people['n_blind']} of them blind; readers "
        f"differ on {people['n_disputed']} questions. Planted in the blind ones, and found there: {n_passes} false "
        f"passes of {n_refused} NOs, {n_fails} false fails of {n_accepted} others."
    )
    tables = (agreement_table(people), between_readers(people), false_pass_table(people))
    steps = (f"Before anybody has read: {before}", labels, *tables, f"After: {after}")
    return "\n\n".join([*steps, f"After one reader's NO to a safety gate: {unsafe}"])


def main() -> None:
    """Print the story."""
    print(results())


if __name__ == "__main__":
    main()
