"""The training loss on a CPU: cross entropy at supervised positions only, the logits never held in full.

On devices without Triton, trl's fused LM head scores every position, padding and unsupervised ones too, and scores
them again in the backward pass. With a vocabulary of 49,152 that outweighs a small model's layers. The head is frozen
under LoRA, so the gradient with respect to the hidden states is known as soon as the logits are: softmax - one-hot,
times the head. Both are computed chunk by chunk in the forward pass, and nothing is computed twice.
"""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer.sft_trainer import SFTTrainer

from tunewright.chat_labels import IGNORED

CHUNK = 256  # positions whose logits are held at once: 50 MB in float32 at a vocabulary of 49,152


class FrozenHeadLoss(torch.autograd.Function):
    """Summed cross entropy of `hidden` (n, width) under a frozen head (vocabulary, width) against targets (n,)."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """The loss; its gradient is kept for the backward pass."""
        total = torch.zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            scores = (hidden[part] @ head.T).float().log_softmax(dim=-1)  # (chunk, vocabulary)
            wanted = targets[part, None]
            total -= scores.gather(1, wanted).sum()
            scores.exp_().scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=torch.float32))
            gradient[part] = scores.to(head.dtype) @ head
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> Any:
        """The kept gradient, scaled; the head is frozen and targets have none."""
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0].to(gradient.dtype), None, None


class CpuTrainer(SFTTrainer):
    """trl's trainer with the loss above. For models whose logits are a plain product with the output embedding."""

    def compute_loss(  # noqa: D102 - the parent's
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs["labels"][:, 1:]
        mask = inputs.get("attention_mask")
        padded = mask is not None and not bool(mask.all())  # without a mask, attention takes its faster causal path
        core = model.get_base_model()
        states = core.get_decoder()(
            input_ids=inputs["input_ids"], attention_mask=mask if padded else None, use_cache=False
        ).last_hidden_state[:, :-1]
        keep = labels != IGNORED
        head = core.get_output_embeddings().weight
        total = FrozenHeadLoss.apply(states[keep].to(head.dtype), head, labels[keep])
        loss = total / (num_items_in_batch if num_items_in_batch is not None else keep.sum().clamp(min=1))
        return (loss, {}) if return_outputs else loss


def suits(model: Any) -> bool:
    """Whether a model's logits are a plain product: no bias, no soft cap, no scale."""
    settings = model.config.get_text_config()
    scales = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")
    head = model.get_output_embeddings()
    return head is not None and head.bias is None and all(getattr(settings, name, None) is None for name in scales)
