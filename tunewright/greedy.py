"""The greedy beginning of an answer by transformers, with the log probabilities of the likeliest tokens.

The measure that a served file is held to: the same weights, unquantized, in float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tunewright.continuations import Step
from tunewright.quiet import quiet_libraries


def reference_steps(
    folder: Path,
    prompts: Sequence[Sequence[int]],
    n_tokens: int,
    likeliest: int,
    end: int,
    done: Callable[[], None] = lambda: None,
) -> list[list[Step]]:
    """Each prompt's greedy answer, up to `n_tokens` of it or the token `end`. `done` is told of each."""
    import torch

    with quiet_libraries():
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=torch.float32, local_files_only=True, use_safetensors=True
        ).eval()
    found = []
    for prompt in prompts:
        found.append(_answer(model, prompt, n_tokens, likeliest, end))
        done()
    return found


def _answer(model: Any, prompt: Sequence[int], n_tokens: int, likeliest: int, end: int) -> list[Step]:
    import torch

    steps: list[Step] = []
    ids, past = torch.tensor([list(prompt)]), None  # (1, tokens)
    with torch.inference_mode():
        while len(steps) < n_tokens and (not steps or steps[-1].token != end):
            out = model(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
            logprobs = torch.log_softmax(out.logits[0, -1].float(), dim=-1)  # (vocabulary)
            values, tokens = logprobs.topk(likeliest)
            steps.append(Step(dict(zip(tokens.tolist(), values.tolist(), strict=True))))
            ids, past = torch.tensor([[steps[-1].token]]), out.past_key_values
    return steps
