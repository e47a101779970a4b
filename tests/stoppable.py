"""A run that can be stopped, for tests/test_stopping.py: here, or as `python -m tests.stoppable URL FOLDER N`."""

import sys
from functools import partial
from pathlib import Path

from tunewright.cache import ReplyCache
from tunewright.errors import run_main
from tunewright.llm import Client
from tunewright.models import Budget, Connection, ModelSpec, Price
from tunewright.runner import Job, run, run_jobs

PRICED = ModelSpec(
    model="hosted_vllm/m",
    temperature=0.5,
    max_tokens=50,
    price=Price(input_usd_per_mtok=0, output_usd_per_mtok=1e6),  # one USD a token out
)


async def three_calls(client, number):
    for turn in range(3):
        await client.complete(PRICED, [{"role": "user", "content": f"{number} {turn}"}])
    return number


def client_of(url, folder, concurrency=2, **budget):
    folder.mkdir(exist_ok=True)
    connection = Connection(concurrency=concurrency, timeout_s=10, attempts=1, api_base=url)
    return Client({"hosted_vllm": connection}, ReplyCache(folder), budget=Budget(**budget))


def run_all(client, n):
    jobs = [Job(f"t{number}", three_calls, (number,)) for number in range(n)]
    return run(client, "talks", n, partial(run_jobs, client, jobs, [PRICED]))


if __name__ == "__main__":
    url, folder, n = sys.argv[1:]
    run_main(lambda: print(run_all(client_of(url, Path(folder)), int(n))))
