"""generate-review: which conversations people should read, how far they are, and what their labels tell of the judges.

Picks among the conversations that this run made; the queue does not change while it is being labelled. One
conversation with its verdicts is in memory at a time.

Reads data/generate/{personas,transcripts,simulator,verdicts,scores}.jsonl, data/design/judge-trust.json, the domain's
rubric, its authored personas, and reviews/<domain>/{labels,transcripts}.jsonl.
Writes data/generate/review_queue.jsonl, data/generate/review.json (all numbers), reports/review.md and
metrics/generate-review.json.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import tee
from typing import Any, Literal

from pydantic import Field

from tunewright.authored import load_authored
from tunewright.config import Config as BaseConfig
from tunewright.config import load, load_domain
from tunewright.document import to_markdown
from tunewright.errors import run_main
from tunewright.labels import Label, in_force, read_labels, read_texts
from tunewright.people_findings import Listener, findings
from tunewright.people_findings import headline_numbers as people_numbers
from tunewright.people_report import people_blocks
from tunewright.records import Persona, Score, Transcript, Verdict, read_jsonl, write_json, write_jsonl, write_text
from tunewright.review_queue import QUEUE, Progress, progress
from tunewright.review_reasons import Candidate, candidate, persona_type
from tunewright.review_report import COMMAND, counts, item_blocks, queue_blocks
from tunewright.review_sampling import LeftOut, Queue, ReasonShares, pick
from tunewright.rounding import as_json
from tunewright.rubric import Rubric, load_rubric
from tunewright.score_files import with_verdicts
from tunewright.scoring import refuse_strays, trusted_answers
from tunewright.sound import GENERATED, NO_EXCHANGE, iter_sound
from tunewright.terminal import Stage
from tunewright.training_set import SCORES, TRANSCRIPTS, with_scores
from tunewright.trust import JudgeTrust, Trust, load_trust

Seen = tuple[Transcript, Score | None, list[Verdict]]


class Config(BaseConfig):
    """How many conversations people read, and which."""

    at_most: int = Field(ge=1)
    shares: ReasonShares
    near: float = Field(ge=0, le=1)  # of the pass threshold, in score
    persona_type: tuple[Literal["topic", "style", "context", "stance", "presentation", "difficulty"], ...]
    judge_trust: JudgeTrust
    confidence: float = Field(gt=0, lt=1)  # of the intervals of what labels tell
    seed: int


def seen_whole() -> Iterator[Seen]:
    """Every conversation of the run with its score and verdicts, one at a time."""
    first, second = tee(iter_sound(TRANSCRIPTS, "generate-transcripts", GENERATED))
    scored = with_scores(first, SCORES, "generate-scores")
    judged = with_verdicts(second, "data/generate/verdicts.jsonl", "generate-verdicts")
    for (transcript, score), (_, verdicts) in zip(scored, judged, strict=True):
        yield transcript, score, verdicts


class Survey:
    """What a queue is picked from; no text is kept. Raises RecordError for verdicts of another rubric."""

    def __init__(
        self, seen: Iterator[Seen], people: Mapping[str, Persona], rubric: Rubric, trust: Trust | None, config: Config
    ) -> None:
        self.candidates: list[Candidate] = []
        self.left_out: list[LeftOut] = []
        self.contents: set[str] = set()  # of all conversations, people's own too
        for transcript, score, verdicts in seen:
            self.contents.add(transcript.content_hash)
            if not transcript.is_new:
                continue
            if score is None:
                why = transcript.failure or NO_EXCHANGE
                self.left_out.append(LeftOut(transcript.id, transcript.content_hash, why))
                continue
            refuse_strays(transcript, verdicts, rubric)
            by_judge, _ = trusted_answers(verdicts, rubric, trust)
            person = people.get(transcript.persona_id)
            one = candidate(transcript, score, by_judge, person, rubric, config.near, config.persona_type)
            self.candidates.append(one)


def types_read(
    labels: Sequence[Label],
    texts: Mapping[str, Transcript],
    contents: set[str],
    people: Mapping[str, Persona],
    fields: Sequence[str],
) -> set[str]:
    """Types of people whom somebody read in an earlier version, by today's description of the person.

    Labels of today's texts are left out: else the queue would change while it is being labelled.
    """
    earlier = {label.content_hash for label in labels} - contents
    persons = {texts[content].persona_id for content in earlier if content in texts}
    return {name for p in persons if (name := persona_type(people.get(p), fields)) is not None}


def headline_numbers(queue: Queue) -> dict[str, int]:
    """The few numbers of the queue that a person compares between experiments."""
    by_reason = {f"n_{kind.replace(' ', '_')}": n for kind, n in counts(queue.items).items()}
    return {"n_queue": len(queue.items), "n_whole": queue.n_whole} | by_reason


def numbers_of(queue: Queue, done: Progress) -> dict[str, Any]:
    """data/generate/review.json."""
    drawn = {"n_drawn": queue.n_drawn, "n_left_out_in_all": queue.n_left_out}
    return {"queue": headline_numbers(queue) | drawn, "progress": as_json(done)}


def told(queue: Queue, done: Progress) -> str:
    """The end line."""
    if not queue.items:
        return "nothing to read: this run made no conversation"
    reasons = ", ".join(f"{kind} {n}" for kind, n in counts(queue.items).items() if n)
    return f"{done.n} to read ({reasons}), {done.n_decided} decided; next: {COMMAND}"


def main() -> None:
    """Pick what people should read and count what they did."""
    stage = Stage("generate-review")
    config, domain = load("generate.review", Config), load_domain()
    rubric, trust = load_rubric(domain.rubric), load_trust() if config.judge_trust == "calibrated" else None
    sampled = read_jsonl("data/generate/personas.jsonl", Persona, "generate-personas")
    people = {p.id: p for p in [*load_authored(domain)[0], *sampled]}
    lines = read_labels(domain.reviews)
    labels, listener = in_force(lines), Listener(lines, rubric)
    stage.start(f"at most {config.at_most} conversations; {len(labels)} labels in {domain.reviews}")
    survey = Survey(listener.through(seen_whole()), people, rubric, trust, config)
    read = types_read(labels, read_texts(domain.reviews), survey.contents, people, config.persona_type)
    queue = pick(survey.candidates, survey.left_out, read, config.at_most, config.shares, config.seed)
    done = progress(queue.items, labels)
    told_by_people = findings(lines, listener, queue.items, rubric, config.confidence)
    write_jsonl(QUEUE, queue.items)
    write_json("data/generate/review.json", numbers_of(queue, done) | {"people": as_json(told_by_people)})
    write_json("metrics/generate-review.json", headline_numbers(queue) | people_numbers(told_by_people))
    said = people_blocks(told_by_people, config.confidence)
    write_text("reports/review.md", to_markdown([*queue_blocks(queue, done), *said, *item_blocks(queue)]))
    stage.end(told(queue, done))


if __name__ == "__main__":
    run_main(main)
