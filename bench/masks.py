"""What is learnt under each family's chat template, decoded; and whether llama.cpp renders the same prompts.

    python -m bench.masks

Each of the awkward conversations of bench.chat_families goes through the labels of train-adapter under each template.
"Exact" counts those whose supervised text, decoded, is each reply's words and the end of its turn, and nothing else.
Then llama.cpp serves the demo's GGUF under the same template and renders every prompt: under the template that
train-base settles, and under the publisher's where that differs. BOS and EOS are the GGUF's own there and are
not compared. Needs `dvc repro train-export@base`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from bench.chat_families import FAMILIES, TALKS, Family, chat_of, expected, joined, taught, template_text
from tunewright.chat_tokenizer import ChatTokenizer, load_tokenizer
from tunewright.document import md_table
from tunewright.gguf_export import post
from tunewright.serving import Endpoint

BASE, GGUF = Path("models/base"), Path("models/gguf/base.gguf")
SHOWN = 1  # the conversation whose supervised text is printed: several turns
KEY = "bench"


def mask_row(family: Family, chat: ChatTokenizer) -> list[str]:
    """One family: counts over all conversations, and how many are exact."""
    found = [taught(talk, chat) for talk in TALKS]
    exact = sum(texts == expected(talk, family) for talk, (texts, *_) in zip(TALKS, found, strict=True))
    rows, tokens, supervised = (sum(numbers) for numbers in list(zip(*found, strict=True))[1:])
    cells = [
        family.name,
        str(rows),
        str(tokens),
        str(supervised),
        f"{exact} of {len(TALKS)}",
        system_role(family, chat),
    ]
    return [*cells, family.quirks or "none"]


def system_role(family: Family, chat: ChatTokenizer) -> str:
    """What becomes of a system message in the rendered prompt."""
    messages = TALKS[0].example().messages[:2]
    text = chat.render(messages, generation_prompt=True)
    own = text.find(messages[0].content) + len(messages[0].content)
    between = text[own : text.find(messages[1].content, own)]
    return (
        "a turn of its own"
        if any(token in between for token in (family.end, "<|im_end|>"))
        else "opens the first question"
    )


def served_row(family: Family, chat: ChatTokenizer) -> list[str]:
    """How many prompts llama.cpp renders as transformers do, under the settled template and the publisher's."""
    publisher = None if family.template is None else template_text(family.template)
    settled = same_prompts(family, chat, chat.template)
    if publisher is None or publisher == chat.template:
        return [family.name, settled, "the same template"]
    return [family.name, settled, same_prompts(family, chat, publisher)]


def same_prompts(family: Family, chat: ChatTokenizer, template: str) -> str:
    """Of all conversations, those whose prompt llama.cpp renders as `chat` does."""
    server = serving(template)
    endpoint = Endpoint(f"{server.listening_address}/v1", KEY)
    equal = 0
    for talk in TALKS:
        messages = talk.example().messages[:-1]
        theirs = post(endpoint, "/apply-template", {"messages": [m.model_dump() for m in messages]})["prompt"]
        ours = chat.render(messages, generation_prompt=True)
        equal += bare(ours, family) == bare(str(theirs), family)
    return f"{equal} of {len(TALKS)}"


def serving(template: str) -> Any:
    """A server of the demo's GGUF under a template; it ends when nothing refers to it."""
    xllamacpp: Any = import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path, params.chat_template, params.use_jinja = str(GGUF), template, True
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 256, 1, 1
    params.hostnames, params.port, params.api_keys, params.ui, params.verbosity = ["127.0.0.1"], 0, [KEY], False, -1
    return xllamacpp.Server(params)


def bare(text: str, family: Family) -> str:
    """A rendered prompt without BOS, all ends of turns alike: the GGUF has its own."""
    for bos in ("<|im_start|>", family.bos):
        text = text.removeprefix(bos) if bos and family.bos else text
    for end in {family.end, family.eos or family.end, "<|im_end|>"}:
        text = text.replace(end, "<end>")
    return text


def results(runs: int) -> str:  # noqa: ARG001 - nothing here varies from run to run
    """The section of bench/results.md."""
    smollm2 = load_tokenizer(BASE)
    chats = {family.name: chat_of(family, smollm2) for family in FAMILIES}
    head = ("template", "rows", "tokens", "supervised", "exact", "system message", "quirks of the publisher's template")
    masks = md_table(head, [mask_row(family, chats[family.name]) for family in FAMILIES])
    learnt = "\n".join(f"{f.name:13} {joined(taught(TALKS[SHOWN], chats[f.name])[0])}" for f in FAMILIES)
    served = md_table(
        ("template", "llama.cpp under the settled template", "under the publisher's"),
        [served_row(family, chats[family.name]) for family in FAMILIES],
    )
    return (
        f"{len(TALKS)} awkward conversations ({', '.join(talk.name for talk in TALKS)}); words are split by SmolLM2's "
        f"tokenizer with each family's control tokens added.\n\n{masks}\n\n"
        f"Learnt of “{TALKS[SHOWN].name}”, decoded:\n\n"
        f"```text\n{learnt}\n```\n\n"
        f"Prompts that llama.cpp renders, character for character, as training did:\n\n{served}"
    )


if __name__ == "__main__":
    print(results(1))
