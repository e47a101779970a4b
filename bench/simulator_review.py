"""The simulator review on 30 conversations with a planted fault and 30 clean ones: precision and recall per fault.

    python -m bench.simulator_review            # the measures alone; no model is called
    python -m bench.simulator_review FILE       # and the verdict on the simulated conversations of a transcripts file

The set (bench/simulator_review.yaml) was written before the review's words and thresholds were tried on it. A fault is
found where the review names it anywhere in a conversation that has it, and wrong where it names it in one that has not.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from tunewright.authored import load_authored
from tunewright.config import Config, Domain, load, load_file, read_yaml
from tunewright.document import md_table
from tunewright.personas import load_template
from tunewright.records import Exchange, Persona, Transcript, read_jsonl
from tunewright.simulator_review import ReviewConfig, materials, review, reviewable
from tunewright.sound import SimulatorReview

SET = Path(__file__).with_suffix(".yaml")


class Item(Config):
    """One conversation of the set; what the keys mean stands at the head of the YAML file."""

    fault: str | None = None
    also: tuple[str, ...] = ()
    why: str = ""
    domain: str = "therapy"
    host: str | None = None
    talk: tuple[str, ...] = ()
    words: tuple[int, int] | None = None
    keep: int | None = None
    say: dict[int, str] = Field(default_factory=dict)
    copy_: dict[int, int] = Field(default_factory=dict, alias="copy")
    repeat: dict[int, int] = Field(default_factory=dict)
    swap: tuple[int, ...] = ()
    double: tuple[int, ...] = ()
    ended: Literal["planned", "early"] = "planned"


class Items(Config):
    """The whole set."""

    planted: tuple[Item, ...]
    clean: tuple[Item, ...]


class Case(NamedTuple):
    """One item, built and reviewed."""

    item: Item
    review: SimulatorReview

    @property
    def found(self) -> set[str]:
        return {f.fault for f in self.review.findings}

    @property
    def has(self) -> set[str]:
        return {self.item.fault} if self.item.fault else set()


def domain_of(name: str) -> Domain:
    """A shipped domain's file as the pipeline would compose it."""
    return Domain.model_validate(read_yaml(f"conf/domain/{name}.yaml"))


def built(number: int, item: Item, domain: Domain) -> tuple[Transcript, Persona]:
    """An item's conversation and person. A written one has the first authored person with the limits given."""
    people, talks = load_authored(domain)
    by_id = {p.id: p for p in people}
    host = next((t for t in talks if t.id == item.host), None)
    person = by_id[host.persona_id] if host else people[0]
    exchanges = changed(host.exchanges, item) if host else _written(item.talk)
    if item.words:
        person = person.model_copy(update={"min_words": item.words[0], "max_words": item.words[1]})
    fields = {"id": f"item-{number}", "user_kind": "simulated", "ended": item.ended, "exchanges": exchanges}
    base = host or talks[0]
    return base.model_copy(update=fields | {"persona_id": person.id}), person


def changed(exchanges: Sequence[Exchange], item: Item) -> tuple[Exchange, ...]:
    """A host's exchanges after the item's changes, each made from the host as it was."""
    users, replies = [e.user for e in exchanges], [e.assistant for e in exchanges]
    said = dict(enumerate(users, 1)) | item.say
    said |= {n: replies[m - 1] for n, m in item.copy_.items()} | {n: users[m - 1] for n, m in item.repeat.items()}
    said |= {n: replies[n - 1] for n in item.swap} | {n: " ".join([users[n - 1]] * 3) for n in item.double}
    answered = {n: users[n - 1] if n in item.swap else reply for n, reply in enumerate(replies, 1)}
    return tuple(Exchange(user=said[n], assistant=answered[n]) for n in answered)[: item.keep]


def _written(talk: Sequence[str]) -> tuple[Exchange, ...]:
    return tuple(Exchange(user=u, assistant=a) for u, a in zip(talk[::2], talk[1::2], strict=True))


def cases(config: ReviewConfig) -> list[Case]:
    """Every item, reviewed by the measures."""
    found, items = [], load_file(SET, Items)
    for number, item in enumerate((*items.planted, *items.clean), 1):
        domain = domain_of(item.domain)
        transcript, person = built(number, item, domain)
        given = materials(domain.prompts, load_template(domain.personas), [person], config.measures.leak_run_words)
        found.append(Case(item, review(transcript, given, config, None)))
    return found


def by_fault(found: Sequence[Case], faults: Sequence[str]) -> list[tuple[str, ...]]:
    """One row a fault: planted, found, missed, named where it is not; precision and recall."""
    rows = []
    for fault in faults:
        planted = [c for c in found if fault in c.has]
        right = sum(fault in c.found for c in planted)
        wrong = sum(fault in c.found - c.has - set(c.item.also) for c in found)
        precision = f"{right / (right + wrong):.2f}" if right + wrong else "-"
        recall = f"{right / len(planted):.2f}" if planted else "-"
        rows.append((fault.replace("_", " "), str(len(planted)), str(right), str(wrong), precision, recall))
    return rows


def left_out(found: Sequence[Case]) -> Mapping[str, tuple[int, int]]:
    """How many planted and how many clean conversations would be left out, of how many."""
    sides = {"planted": [c for c in found if c.item.fault], "clean": [c for c in found if not c.item.fault]}
    return {name: (sum(c.review.severity == "critical" for c in side), len(side)) for name, side in sides.items()}


def results(runs: int) -> str:
    """The tables as Markdown. `runs` is not used: the measures give the same each time."""
    config = load("generate.simulator", ReviewConfig)
    config = config.model_copy(update={"exchanges": config.exchanges.model_copy(update={"min": 3})})
    found = cases(config)
    head = ("fault", "planted", "found", "wrongly named", "precision", "recall")
    sides = [f"{n} of {total} {name} conversations" for name, (n, total) in left_out(found).items()]
    wrong = [
        (_name(c), f.fault.replace("_", " "), f.severity, f.detail)
        for c in found
        for f in c.review.findings
        if f.fault not in {*c.has, *c.item.also}
    ]
    missed = [(_name(c), next(iter(c.has))) for c in found if not c.has <= c.found]
    parts = [md_table(head, by_fault(found, list(config.gravity))), f"Left out as critical: {' and '.join(sides)}."]
    parts += [f"Authored conversations that are not in the set: {unseen(config)}."]
    parts += ["Named where it was not planted:", md_table(("conversation", "fault", "severity", "detail"), wrong)]
    parts += ["Missed:", md_table(("conversation", "fault"), missed)]
    return "\n\n".join(parts)


def _name(case: Case) -> str:
    return case.item.why or case.item.host or (case.item.talk[0][:50] if case.item.talk else "")


def unseen(config: ReviewConfig) -> str:
    """The authored conversations that no item uses: as they are, and with user and assistant changed about."""
    items, n, clean, swapped = load_file(SET, Items), 0, 0, 0
    used = {item.host for item in (*items.planted, *items.clean)}
    for name in ("support", "therapy"):
        domain = domain_of(name)
        people, talks = load_authored(domain)
        given = materials(domain.prompts, load_template(domain.personas), people, config.measures.leak_run_words)
        for talk in (t for t in talks if t.id not in used):
            turned = talk.model_copy(update={"exchanges": tuple(_turned(e) for e in talk.exchanges)})
            n += 1
            clean += not review(talk, given, config, None).findings
            swapped += "role_swap" in {f.fault for f in review(turned, given, config, None).findings}
    return f"no fault in {clean} of {n}; with the two sides changed about, role swap in {swapped} of {n}"


def _turned(exchange: Exchange) -> Exchange:
    return Exchange(user=exchange.assistant, assistant=exchange.user)


def verdict_on(path: str, personas: str, domain_name: str) -> str:
    """The review of a file's simulated conversations, as a table."""
    config, domain = load("generate.simulator", ReviewConfig), domain_of(domain_name)
    people = read_jsonl(personas, Persona)
    given = materials(domain.prompts, load_template(domain.personas), people, config.measures.leak_run_words)
    reviews = [review(t, given, config, None) for t in reviewable(read_jsonl(path, Transcript))]
    rows: list[tuple[Any, ...]] = [
        (r.transcript_id, f.severity, f.fault.replace("_", " "), ", ".join(map(str, f.exchanges)), f.detail)
        for r in reviews
        for f in r.findings
    ]
    n = sum(r.severity == "critical" for r in reviews)
    table = md_table(("conversation", "severity", "fault", "exchanges", "the first of them"), rows)
    return f"{n} of {len(reviews)} simulated conversations are left out.\n\n{table}"


def main() -> None:
    """Print the tables; with a file, its verdict too."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("file", nargs="?", help="a transcripts file, beside its personas.jsonl")
    arguments = parser.parse_args()
    print(results(1))
    if arguments.file:
        path = Path(arguments.file)
        domain = next(iter(read_jsonl(path, Transcript))).domain
        print("\n" + verdict_on(arguments.file, str(path.with_name("personas.jsonl")), domain))


if __name__ == "__main__":
    main()
