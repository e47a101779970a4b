"""How far one model's predictions lie from another's, word by word of given replies: KL divergence over the vocabulary.

Both models need not be in memory at once: of the first only the hidden states at the supervised positions are kept (a
few megabytes) and its output layer. Logits exist for CHUNK positions of both at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.chat_labels import Labelled
from tunewright.likelihood import batches, logits_of, supervised_states

CHUNK = 128  # positions whose logits are held at once, of two models: 50 MB at a vocabulary of 49,152
Logits = Callable[[Any], Any]


@dataclass(frozen=True)
class Divergence:
    """Sums over one reply's tokens, in nats. `n_agree`: positions at which both find the same token the likeliest."""

    id: str
    n_tokens: int
    kl: float  # KL(base || tuned)
    base_nll: float
    tuned_nll: float
    n_agree: int


@dataclass(frozen=True)
class States:
    """What is kept of a model: the function from hidden states to logits, and for each reply states and tokens."""

    logits: Logits
    by_id: dict[str, tuple[Any, Any]]  # hidden (n, width), tokens (n,)


def read_states(
    model: Any, examples: Sequence[Labelled], batch_size: int, done: Callable[[int], None] = lambda n: None
) -> States:
    """Run a model over all examples. `done` is told of each batch."""
    model.eval()
    found: dict[str, tuple[Any, Any]] = {}
    for batch in batches(examples, batch_size):
        found.update(zip((e.id for e in batch), supervised_states(model, batch), strict=True))
        done(len(batch))
    return States(logits_of(model), found)


def divergences(base: States, tuned: States) -> list[Divergence]:
    """One a reply, by id. Both must have been read from the same examples."""
    return [_divergence(name, base, tuned) for name in sorted(base.by_id)]


def _divergence(name: str, base: States, tuned: States) -> Divergence:
    import torch

    (before, tokens), (after, same) = base.by_id[name], tuned.by_id[name]
    if not torch.equal(tokens, same):
        raise ValueError(f"{name}: the two models were read on different tokens")
    kl = base_nll = tuned_nll = 0.0
    n_agree = 0
    with torch.no_grad():
        for states, others, wanted in zip(before.split(CHUNK), after.split(CHUNK), tokens.split(CHUNK), strict=True):
            p = base.logits(states).log_softmax(dim=-1)  # (chunk, vocabulary)
            q = tuned.logits(others).log_softmax(dim=-1)
            kl += float((p.exp() * (p - q)).sum(dtype=torch.float64))
            base_nll -= float(p.gather(1, wanted[:, None]).sum(dtype=torch.float64))
            tuned_nll -= float(q.gather(1, wanted[:, None]).sum(dtype=torch.float64))
            n_agree += int((p.argmax(-1) == q.argmax(-1)).sum())
    return Divergence(name, len(tokens), max(0.0, kl), base_nll, tuned_nll, n_agree)
