"""`python -m tests.corpus [WORD]`: every input whose name has WORD in it, and what comes of it."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO

from tests.corpus.harness import all_cases, faults_of, kind_of, outcome


def main() -> None:
    """Print a paragraph an input, then the counts; exit code 1 when any is not as it should be."""
    messages, bad = [], 0
    cases = [case for case in all_cases() if all(word in case.name for word in sys.argv[1:])]
    for case in cases:
        printed = StringIO()
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            os.environ["TUNEWRIGHT_CACHE"] = f"{folder}/cache"
            with redirect_stdout(printed), redirect_stderr(printed):
                got = outcome(case)
            faults = faults_of(case, got, printed.getvalue())
        bad += bool(faults)
        messages.append(got.message)
        print(f"{case.name}\n  {got.message or 'handled: ' + repr(got.value)[:200]}")
        print("".join(f"  WRONG: {fault}\n" for fault in faults))
    distinct = {message for message in messages if message}
    print(f"{len(cases)} inputs, {messages.count('')} handled, {len(distinct)} distinct messages, {bad} wrong", end=" ")
    print(f"({len({kind_of(message) for message in distinct})} apart from names and numbers)")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
