"""Checks of planted flaws: stretches in two versions, of which only the criterion should tell the bad one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tunewright.calibration import Hosts, Planted, tidy
from tunewright.checks.checklist import Check, Fault, Place, faultless, yaml_place
from tunewright.config import Bounds, Config
from tunewright.measures import words
from tunewright.planted import Length, plants
from tunewright.records import Transcript
from tunewright.rubric import Rubric
from tunewright.verdict_rules import failed_measures

METHOD = "METHOD 3: assessment"
LENGTHS: tuple[Length, ...] = ("short", "long")


class PlantedBounds(Config):
    """Flaws for each judged criterion, exchanges of a long host, words of a bad version over its good one."""

    flaws_min: int
    long_host_exchanges_min: int
    length_ratio: Bounds


def check_planted(
    planted: Planted,
    rubric: Rubric,
    authored: Sequence[Transcript],
    bounds: PlantedBounds,
    optional: bool,
    path: str,
) -> Iterator[Check]:
    """Enough flaws, hosts that are good, and versions that no measure can tell apart."""
    if optional and not planted.flaws:
        yield Check("planted flaws", METHOD, True, "none; wanted 0 or more", Place(path))
        return
    by_id = {t.id: t for t in authored}
    yield flaws_per_criterion(planted, rubric, bounds.flaws_min, path)
    yield known_hosts(planted, by_id, bounds.long_host_exchanges_min, path)
    hosts = [by_id[h] for h in (*planted.hosts.short, *planted.hosts.long) if h in by_id]
    faults = [
        Fault(f"{host.id} fails {criterion}: {why}", _host_place(planted, host.id, path))
        for host in hosts
        for criterion, why in failed_measures(host.exchanges, rubric).items()
    ]
    yield faultless(
        "hosts pass", METHOD, faults, f"{len(hosts)} pass every measured criterion", yaml_place(path, "hosts")
    )
    yield two_versions(planted, bounds.length_ratio, path)
    yield unmeasurable(planted, hosts, rubric, path)


def flaws_per_criterion(planted: Planted, rubric: Rubric, flaws_min: int, path: str) -> Check:
    """Every judged criterion has its flaws; a measured one needs none, since nothing has to be believed."""
    judged = [c.id for c in rubric.criteria if c.evaluator == "judge"]
    faults = [
        Fault(f"{criterion} has {n} flaws, wanted {flaws_min} or more", yaml_place(path, "flaws", criterion))
        for criterion in judged
        if (n := len(planted.flaws.get(criterion, ()))) < flaws_min
    ] + [
        Fault(f"{criterion!r} is no judged criterion of the rubric", yaml_place(path, "flaws", criterion))
        for criterion in planted.flaws
        if criterion not in judged
    ]
    n_flaws = sum(len(flaws) for flaws in planted.flaws.values())
    evidence = f"{n_flaws} flaws for {len(judged)} judged criteria, {flaws_min} or more each"
    return faultless("planted flaws", METHOD, faults, evidence, yaml_place(path, "flaws"))


def known_hosts(planted: Planted, by_id: Mapping[str, Transcript], long_min: int, path: str) -> Check:
    """Hosts are authored conversations, and the long ones are long."""
    faults = [] if planted.hosts.short and planted.hosts.long else [
        Fault("wanted one or more short hosts and one or more long ones", yaml_place(path, "hosts"))
    ]  # fmt: skip
    for kind, ids in (("short", planted.hosts.short), ("long", planted.hosts.long)):
        for index, host in enumerate(ids):
            place = yaml_place(path, "hosts", kind, index)
            if host not in by_id:
                faults.append(Fault(f"no authored conversation {host!r}", place))
            elif kind == "long" and (n := len(by_id[host].exchanges)) < long_min:
                faults.append(Fault(f"{host} has {n} exchanges, wanted {long_min} or more in a long host", place))
    evidence = f"{len(planted.hosts.short)} short, {len(planted.hosts.long)} long of {long_min} exchanges or more"
    return faultless("hosts", METHOD, faults, evidence, yaml_place(path, "hosts"))


def _host_place(planted: Planted, host: str, path: str) -> Place:
    kind = "short" if host in planted.hosts.short else "long"
    return yaml_place(path, "hosts", kind, getattr(planted.hosts, kind).index(host))


def two_versions(planted: Planted, length_ratio: Bounds, path: str) -> Check:
    """The versions differ, and neither stands out by its length or its characters."""
    faults = []
    flaws = [(criterion, n, flaw) for criterion, found in planted.flaws.items() for n, flaw in enumerate(found)]
    for criterion, index, flaw in flaws:
        place = yaml_place(path, "flaws", criterion, index)
        if tidy(flaw.good) == tidy(flaw.bad):
            faults.append(Fault(f"{criterion}: good and bad are the same", place))
        if flaw.good.isascii() != flaw.bad.isascii():
            faults.append(Fault(f"{criterion}: one version alone holds characters beyond ASCII", place))
        ratio = len(words(flaw.bad)) / max(1, len(words(flaw.good)))
        if not length_ratio.holds(ratio):
            what = f"{criterion}: bad has {ratio:.1f} times the words of good, wanted {length_ratio}"
            faults.append(Fault(what, yaml_place(path, "flaws", criterion, index, "bad")))
    evidence = f"{len(flaws)} pairs, alike in length and characters"
    return faultless("planted versions", METHOD, faults, evidence, yaml_place(path, "flaws"))


def unmeasurable(planted: Planted, hosts: Sequence[Transcript], rubric: Rubric, path: str) -> Check:
    """Wherever they are planted, both versions pass every measured criterion: only a judge can tell the bad one."""
    good = {h.id for h in hosts if not failed_measures(h.exchanges, rubric)}
    short, long = (tuple(h for h in ids if h in good) for ids in (planted.hosts.short, planted.hosts.long))
    found = list(
        plants(planted.model_copy(update={"hosts": Hosts(short=short, long=long)}), hosts, LENGTHS, None, path)
    )
    faults = []
    for plant in found:
        for measured, why in failed_measures(plant.exchanges, rubric).items():
            version = "bad" if plant.is_bad else "good"
            what = f"{plant.criterion}: {version} at the {plant.position} place of {plant.host} fails {measured}: {why}"
            faults.append(Fault(what, yaml_place(path, "flaws", plant.criterion, plant.flaw - 1, version)))
    evidence = f"{len(found)} plantings in {len(good)} hosts pass every measured criterion"
    return faultless("planted versions pass", METHOD, faults, evidence, yaml_place(path, "flaws"))
