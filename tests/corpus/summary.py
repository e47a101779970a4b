"""The line at the end of a test run that counts the corpus: inputs, those handled, and distinct messages."""

from __future__ import annotations

from tests.corpus.harness import kind_of


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the count of all inputs that ran, on whatever worker."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    messages = [value for r in reports for name, value in getattr(r, "user_properties", []) if name == "corpus"]
    if messages:
        kinds = {kind_of(message) for message in messages if message}
        terminalreporter.write_line(
            f"corpus: {len(messages)} malformed inputs, {messages.count('')} handled, "
            f"{len(messages) - messages.count('')} refused with {len({*messages} - {''})} distinct messages "
            f"({len(kinds)} apart from names and numbers)"
        )
