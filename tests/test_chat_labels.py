"""Only the assistant's words and its end of turn are learnt."""

from __future__ import annotations

import pytest

from tests.model_fixtures import make_example
from tunewright.chat_labels import IGNORED, decode_supervised, label_example
from tunewright.errors import TrainingError


def test_supervised_text_is_the_assistants_words_and_the_end_of_each_turn(chat) -> None:
    example = make_example(1, "Hi", "Two things:\n\n1. 2024 naïve 😀", "And?", "Sleep.")
    labelled = label_example(example, chat, 999)
    assert decode_supervised(labelled, chat) == ["Two things:\n\n1. 2024 naïve 😀<|im_end|>", "Sleep.<|im_end|>"]


def test_the_newline_after_the_end_of_turn_is_not_learnt(chat) -> None:
    labelled = label_example(make_example(1, "Hi", "Yes."), chat, 999)
    assert chat.decode(labelled.input_ids[-3:]) == ".<|im_end|>\n"
    assert [label != IGNORED for label in labelled.labels[-4:]] == [True, True, True, False]


def test_supervised_labels_equal_the_input_ids_and_are_counted(chat) -> None:
    labelled = label_example(make_example(1, "Hi", "Yes."), chat, 999)
    pairs = [(i, label) for i, label in zip(labelled.input_ids, labelled.labels, strict=True) if label != IGNORED]
    assert all(i == label for i, label in pairs)
    assert labelled.n_supervised == len(pairs) == 3  # "Yes", ".", "<|im_end|>"


def test_words_of_the_user_that_equal_the_reply_are_not_learnt(chat) -> None:
    labelled = label_example(make_example(1, "Yes.", "Yes."), chat, 999)
    assert decode_supervised(labelled, chat) == ["Yes.<|im_end|>"]


def test_a_too_long_example_is_refused_with_its_id_tokens_and_limit(chat) -> None:
    n = len(label_example(make_example(7, "Hi", "Yes."), chat, 999).input_ids)
    assert len(label_example(make_example(7, "Hi", "Yes."), chat, n).input_ids) == n
    with pytest.raises(TrainingError, match=rf"e7: {n} tokens, at most {n - 1}"):
        label_example(make_example(7, "Hi", "Yes."), chat, n - 1)


def test_an_example_without_a_reply_is_refused(chat) -> None:
    with pytest.raises(TrainingError, match="e1: no assistant token"):
        label_example(make_example(1, "Hi"), chat, 999)


def test_a_template_that_renders_earlier_turns_otherwise_is_refused(chat, monkeypatch) -> None:
    shouting = "{% for m in messages %}{{ m.content ~ messages|length }}<|im_end|>{% endfor %}"
    monkeypatch.setattr(chat.backend, "chat_template", shouting)
    with pytest.raises(TrainingError, match="otherwise than the whole one"):
        label_example(make_example(1, "Hi", "Yes."), chat, 999)


def test_a_template_without_an_end_of_turn_is_refused(chat, monkeypatch) -> None:
    monkeypatch.setattr(chat.backend, "chat_template", "{% for m in messages %}{{ m.content }}\n{% endfor %}")
    with pytest.raises(TrainingError, match="no control token ends this reply"):
        label_example(make_example(1, "Hi", "Yes."), chat, 999)
