"""The review app: people read conversations and verdicts, and compare base with tuned."""
