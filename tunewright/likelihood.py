"""How probable a model finds the words it should have said: token-weighted loss and perplexity.

The Trainer's own eval_loss is a mean of batch means, in which a short conversation weighs as much as a long one. Here
each conversation gives a sum over its supervised tokens and their number, and sums are added before dividing. Logits
are computed at supervised positions only: with a large vocabulary that is most of the memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tunewright.chat_labels import IGNORED, Labelled

CHUNK = 256  # positions whose logits are held at once: 50 MB at a vocabulary of 49,152


@dataclass(frozen=True)
class Likelihood:
    """Negative log-likelihood (nats) of one conversation's supervised tokens."""

    id: str
    nll: float
    n_tokens: int

    @property
    def mean(self) -> float:
        """Nats a token."""
        return self.nll / self.n_tokens


def pooled_loss(likelihoods: Sequence[Likelihood]) -> float:
    """Token-weighted mean loss, nats a token; raises ValueError when there is nothing."""
    if not likelihoods:
        raise ValueError("a loss over no conversation is undefined")
    return math.fsum(one.nll for one in likelihoods) / sum(one.n_tokens for one in likelihoods)


def batches(examples: Sequence[Labelled], batch_size: int) -> list[list[Labelled]]:
    """Batches of like lengths, longest first: little padding, and memory fails at once if it is going to fail."""
    ordered = sorted(examples, key=lambda e: (-len(e.input_ids), e.id))
    return [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]


def likelihoods(
    model: Any, examples: Sequence[Labelled], batch_size: int, done: Callable[[int], None] = lambda n: None
) -> list[Likelihood]:
    """Likelihood of every example under a causal language model, in the given order. `done` is told of each batch."""
    was_training = model.training
    model.eval()
    found: dict[str, Likelihood] = {}
    for batch in batches(examples, batch_size):
        found.update((one.id, one) for one in _batch_likelihoods(model, batch))
        done(len(batch))
    model.train(was_training)
    return [found[example.id] for example in examples]


def summed_likelihoods(
    model: Any, examples: Sequence[Sequence[Labelled]], batch_size: int, done: Callable[[int], None] = lambda n: None
) -> list[Likelihood]:
    """Likelihood of conversations that take several rows each: sums over their rows, under the first row's id."""
    found = iter(likelihoods(model, [row for rows in examples for row in rows], batch_size, done))
    parts = [[next(found) for _ in rows] for rows in examples]
    return [Likelihood(p[0].id, math.fsum(one.nll for one in p), sum(one.n_tokens for one in p)) for p in parts]


def _batch_likelihoods(model: Any, batch: Sequence[Labelled]) -> list[Likelihood]:
    import torch

    width = max(len(e.input_ids) for e in batch)
    device = next(model.parameters()).device
    ids = torch.tensor([e.input_ids + [0] * (width - len(e.input_ids)) for e in batch], device=device)  # (batch, width)
    labels = torch.tensor([e.labels + [IGNORED] * (width - len(e.labels)) for e in batch], device=device)
    lengths = torch.tensor([len(e.input_ids) for e in batch], device=device)
    padded = bool((lengths != width).any())  # without a mask, attention takes its faster causal path
    mask = (torch.arange(width, device=device) < lengths[:, None]).long() if padded else None
    targets = labels[:, 1:]  # the hidden state at position t predicts token t + 1
    core = model.get_base_model() if hasattr(model, "get_base_model") else model  # peft's wrapper, or none
    with torch.no_grad():
        hidden = core.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
        sums = [_nll(core, hidden[row][keep], targets[row][keep]) for row, keep in enumerate(targets != IGNORED)]
    return [Likelihood(e.id, nll, e.n_supervised) for e, nll in zip(batch, sums, strict=True)]


def _nll(core: Any, hidden: Any, targets: Any) -> float:
    """Summed negative log-likelihood; hidden (n, width), targets (n,). Logits of CHUNK positions exist at a time."""
    import torch

    cap = getattr(core.config.get_text_config(), "final_logit_softcapping", None)
    total = 0.0
    for states, wanted in zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True):
        logits = core.get_output_embeddings()(states).float()  # (chunk, vocabulary)
        logits = cap * torch.tanh(logits / cap) if cap else logits
        total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return total
