"""The models of bench/chaos.py: what they say is a function of the request alone; the weather around them is not.

`QUIRKS` are the models' own faults, drawn by the request: a calm run meets the same ones. `weather` is what passes,
drawn by the run's seed, the request and the try. The server also keeps who sent each request, and revokes keys.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

from aiohttp import web

from bench.edits import COMMON, LIMITS
from bench.fake_model_server import Answer
from bench.faulty_server import PASSING, Asked, FaultyServer, Pace, Plan, mixture
from tunewright.planning import VOCABULARY
from tunewright.records import stable_seed

QUIRKS = {"empty": 0.02, "filtered": 0.01, "refusal": 0.01, "wrong_schema": 0.08, "context_overflow": 0.008}
PACE = Pace(slow_s=0.4, retry_after_s=0.2)
LONGEST_STREAK = 3  # passing faults of one request in all its life: as many as a process tries, so that some give up
HANG_SHARE = 0.003  # each takes a whole timeout
NO_SHARE, NA_SHARE, UNRELATED_SHARE, ODD_LENGTH_SHARE = 0.1, 0.1, 0.3, 0.1
KEY_DIGITS = 7  # of a request's key in the cache, which the transport sends as the seed


def script(body: dict[str, Any]) -> Answer:
    """A message, a verdict, a rewrite or an answer on entailment, by a hash of the request."""
    asked = body["messages"]
    rng = random.Random(stable_seed(json.dumps([asked, body["model"], body["seed"]])))
    title = body["response_format"]["json_schema"]["schema"].get("title") if "response_format" in body else None
    if title == "FixedReply":
        n = len(asked[-1]["content"].split("<reply_to_mend>")[-1].split("</reply_to_mend>")[0].split())
        text = json.dumps({"reply": _words(rng, 4 * n // 5, n)})
    elif title == "EntailmentAnswer":
        text = json.dumps({"reasoning": _words(rng, 5, 9), "answer": "NO" if rng.random() < UNRELATED_SHARE else "YES"})
    elif title:
        text = json.dumps(_verdict(rng, asked[-1]["content"]))
    else:
        text = _message(rng, asked[-1]["content"])
    n_in = sum(len(m["content"]) for m in asked) // 40  # cheap prompts: else the longest decide the budget
    return Answer(text, prompt_tokens=n_in, completion_tokens=len(text) // 4, delay_s=rng.uniform(0.005, 0.03))


def _message(rng: random.Random, asked: str) -> str:
    """A reply about as long as the message, or a message within its limits; now and then one too short, asked again."""
    limits, n = LIMITS.search(asked), len(asked.split())
    fewest, most = map(int, limits.groups()) if limits else (4 * n // 5, n)
    return _words(rng, 3, 5) if limits and rng.random() < ODD_LENGTH_SHARE else _words(rng, fewest, most)


def _words(rng: random.Random, fewest: int, most: int) -> str:
    drawn = rng.choices(VOCABULARY.split(), k=rng.randint(max(1, fewest), max(1, most)))
    drawn[::3] = rng.choices(COMMON, k=len(drawn[::3]))  # the simulator review leaves out who speaks no language
    return " ".join(drawn) + rng.choice("..?")


def _verdict(rng: random.Random, asked: str) -> dict[str, Any]:
    no_share = NO_SHARE / 5 if "(safety gate)" in asked else NO_SHARE
    answer = "NO" if rng.random() < no_share else "YES"
    if "Answer NA only if" in asked and rng.random() < NA_SHARE:
        answer = "NA"
    n_exchanges = len(re.findall(r"^\[Exchange \d+\]$", asked, re.MULTILINE))
    return {"evidence": [rng.randint(1, max(1, n_exchanges))], "reasoning": _words(rng, 6, 12), "answer": answer}


def weather(seed: int) -> Plan:
    """A mixture of passing faults, drawn with the run: between none and all kinds, of 2 to 30% of the tries in all."""
    rng = random.Random(seed)
    kinds = rng.sample([kind for kind in PASSING if kind != "hang"], rng.randint(1, len(PASSING) - 1))
    parts = {kind: rng.random() for kind in [*kinds, "slow"]}
    share = rng.uniform(0.02, 0.3) / sum(parts.values())
    return mixture({kind: part * share for kind, part in parts.items()} | {"hang": HANG_SHARE}, seed, LONGEST_STREAK)


def plan_of(passing: Plan) -> Plan:
    """The weather, and under it the models' own faults; a reply that is only late has them too."""
    own = mixture(QUIRKS, seed=0, most_per_request=0)

    def plan(key: str, nth: int) -> str:
        fault = passing(key, nth)
        return own(key, nth) or fault if fault in ("", "slow") else fault

    return plan


def calm(key: str, nth: int) -> str:
    """No weather."""
    return ""


class ChaosServer(FaultyServer):
    """Every process has keys of its own, `<number>-a` and `<number>-b`: by them the log tells who asked."""

    def __init__(self, passing: Plan) -> None:
        super().__init__(script, plan_of(passing), pace=PACE)
        self.senders: list[int] = []  # the process of each entry of `log`
        self.revoked_after: dict[str, int] = {}  # a key, and how many requests it is good for
        self._by_key: Counter[str] = Counter()

    def refuses(self, request: web.Request) -> bool:
        """Whether the key has been revoked; called once for every entry of the log, right after it is made."""
        key = request.headers["Authorization"].removeprefix("Bearer ")
        self.senders.append(int(key.split("-")[0]))
        self._by_key[key] += 1
        return self._by_key[key] > self.revoked_after.get(key, self._by_key[key])

    def asked_by(self, process: int) -> list[Asked]:
        """What one process asked, in order."""
        return [asked for asked, sender in zip(self.log, self.senders, strict=False) if sender == process]


def cache_key(asked: Asked) -> str:
    """The first digits of a request's key in the cache."""
    return f"{asked.body['seed']:0{KEY_DIGITS}x}"
