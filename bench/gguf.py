"""Exported files against the weights that they were made of: tokens, next tokens, first words, Modelfiles.

    python -m bench gguf       on models/ of this project, after `make run`

With `llama-quantize` on PATH also K-quants, with `go` on PATH the Modelfile's template as Go renders it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from stages.train.export import Config
from tunewright.chat_labels import prompt_messages
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.config import load, load_domain
from tunewright.continuations import Agreement, Step
from tunewright.document import md_table
from tunewright.errors import TrainingError
from tunewright.export_checks import agreement, conversations, openings, pick, room_for, said_by_weights
from tunewright.gguf_export import answer, check_parity, check_stored_template, convert_adapter
from tunewright.modelfile import modelfile, turns_of
from tunewright.modelfile_reading import read_modelfile
from tunewright.quantizing import TOOL, Quantization, store
from tunewright.records import Example, Message
from tunewright.serving import Endpoint, serve, stop

BASE, MERGED, ADAPTER = Path("models/base"), Path("models/merged"), Path("models/adapter")
CONVERSATIONS = 12  # whose answers' beginnings are compared: more than a run takes
HEAD = ("file", "MB", "other formats", "template", "tokens equal", "likeliest token the same", "as good")
HEAD = (*HEAD, "answers begin alike", "log probabilities differ", "Modelfile", "answers")
SHOWN = ("q6_k", "q5_k_m", "q4_k_m", "q2_k")
WORDS = 9


class Bench:
    """What all files are tried on."""

    def __init__(self) -> None:
        self.config, self.tokenizer = load("train.export", Config), load_tokenizer(BASE)
        self.rules = self.config.agreement
        self.examples = pick(conversations(load_domain()), self.config.parity_conversations)
        self.prompts = openings(self.examples[:CONVERSATIONS], self.tokenizer)

    def said(self, folder: Path) -> list[list[Step]]:
        """How the unquantized weights go on."""
        return said_by_weights(folder, self.prompts, self.rules, self.tokenizer.backend.eos_token_id)

    def row(
        self, name: str, gguf: Path, said: Sequence[Sequence[Step]], other_formats: int = 0, adapter: Path | None = None
    ) -> tuple[str, ...]:
        """A file's row."""
        endpoint = serve(gguf, 1, room_for(self.prompts, self.rules), 2, adapter=adapter)
        words = answer(endpoint, self.config.smoke_prompt, 40).split()[:WORDS]
        found = agreement(endpoint, self.prompts, said, self.rules)
        n_equal = equal_tokens(self.examples, self.tokenizer, endpoint)
        stop()
        size = (adapter or gguf).stat().st_size / 1e6
        cells = (name, f"{size:.1f}", str(other_formats), template_cell(gguf, self.tokenizer))
        checked = self.modelfile_cell(gguf, adapter)
        return (*cells, f"{n_equal} of {len(self.examples)}", *numbers(found), checked, " ".join(words) + " ...")

    def modelfile_cell(self, gguf: Path, adapter: Path | None) -> str:
        """Whether the file's Modelfile reads back, and in how many conversations its turns are the model's."""
        turns = turns_of(self.tokenizer, [prompt_messages(e) for e in self.examples])
        system = self.examples[0].messages[0].content
        path, beside = gguf.with_suffix(".Modelfile"), adapter.name if adapter else None
        path.write_text(modelfile(gguf.name, system, turns, self.config.modelfile, beside), "utf-8")
        return f"{len(read_modelfile(path))} instructions, turns equal in {turns.checked}"


def template_cell(gguf: Path, tokenizer: ChatTokenizer) -> str:
    """Whether a file carries the model's template."""
    try:
        check_stored_template(gguf, BASE, tokenizer.template)
    except TrainingError:
        return "other"
    return "equal"


def equal_tokens(examples: Sequence[Example], tokenizer: ChatTokenizer, endpoint: Endpoint) -> int:
    """In how many conversations the server's tokens are transformers'."""
    n_equal = 0
    for example in examples:
        try:
            check_parity(example.id, prompt_messages(example), tokenizer, endpoint)
        except TrainingError:
            continue
        n_equal += 1
    return n_equal


def numbers(found: Agreement) -> tuple[str, ...]:
    """An agreement's cells."""
    alike = f"{found.greedy_equal} of {found.conversations}"
    return f"{found.top1:.1%} of {found.positions}", f"{found.good:.1%}", alike, f"{found.logprob_difference:.3f}"


def formats() -> list[Quantization]:
    """What is tried: what the converter writes in 8 and 16 bits, and K-quants where they can be made."""
    tried = ["q8_0", "f16", *(SHOWN if shutil.which(TOOL) else ())]
    return [name for name in get_args(Quantization) if name in tried]


def by_go(bench: Bench) -> str:
    """Whether Go renders the Modelfile's template as the model's own is rendered."""
    turns = turns_of(bench.tokenizer, [prompt_messages(e) for e in bench.examples])
    if turns.wrapping is None:
        return "no TEMPLATE was written: this model does not put fixed text around each turn."
    if not shutil.which("go"):
        return "`go` is not on PATH: the Modelfile's TEMPLATE was rendered by no Go."
    talks: list[Sequence[Message]] = [prompt_messages(e) for e in bench.examples]
    talks += [talk[1:] for talk in talks]  # without a system message
    asked = {"template": turns.wrapping.go_template(), "conversations": [[m.model_dump() for m in t] for t in talks]}
    command = ["go", "run", "bench/render_go.go"]
    done = subprocess.run(command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    wanted = [bench.tokenizer.render(talk, generation_prompt=True) for talk in talks]
    n_equal = sum(a == b for a, b in zip(json.loads(done.stdout), wanted, strict=True))
    return (
        f"TEMPLATE rendered by Go itself: equal to the model's own in {n_equal} of {len(talks)} prompts, half of them "
        "without a system message."
    )


def results(runs: int) -> str:
    """The table as Markdown. `runs` is not used: greedy answers are the same each time."""
    for folder in (BASE, MERGED, ADAPTER):
        if not folder.exists():
            raise SystemExit(f"{folder}: no such directory; make it with: make run")
    bench, rows = Bench(), []
    with TemporaryDirectory() as kept:
        base_file, adapter = Path(kept) / "base.gguf", Path(kept) / "adapter.gguf"
        store(BASE, base_file, "q8_0")
        rows.append(bench.row("base q8_0", base_file, bench.said(BASE)))
        said = bench.said(MERGED)
        for name in formats():
            path = Path(kept) / f"tuned-{name}.gguf"
            stored = store(MERGED, path, name)
            rows.append(bench.row(f"tuned {name}", path, said, stored.fallback_tensors))
            path.unlink()
        convert_adapter(ADAPTER, BASE, adapter, "f16")
        rows.append(bench.row("base q8_0 alone, for comparison with the next", base_file, said))
        rows.append(bench.row("base q8_0 + adapter f16", base_file, said, adapter=adapter))
    missing = "" if shutil.which(TOOL) else f"`{TOOL}` is not on PATH: no K-quants.\n\n"
    rules = bench.rules
    how = (
        f"Against transformers in float32: {rules.tokens} tokens of each of {len(bench.prompts)} answers. As good: "
        f"within {rules.tie_nats:g} nats of the likeliest. Log probabilities: of its {rules.likeliest} likeliest "
        "tokens, mean difference in nats. Other formats: matrices whose rows are no multiple of 256 numbers, which "
        "K-quants need."
    )
    return f"{how}\n\n{missing}{md_table(HEAD, rows)}\n\n{by_go(bench)}"
