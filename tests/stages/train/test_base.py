"""train-base: the base model, pinned."""

from __future__ import annotations

import pytest

from stages.train.base import Config, facts
from tests.model_fixtures import ROOT
from tunewright.config import load
from tunewright.errors import ModelSetupError
from tunewright.folders import whole_folder
from tunewright.records import read_json


def test_facts_tell_the_pin_the_size_and_the_licence(tiny_base, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    found = facts(load("train.base", Config).base_model, "sha256:abc", tiny_base)
    assert (found["source"], found["dtype"], found["licence"]) == ("sha256:abc", "bfloat16", "Apache-2.0")


def test_a_failure_leaves_no_half_written_model(tmp_path) -> None:
    with pytest.raises(ModelSetupError), whole_folder(tmp_path / "base") as folder:
        (folder / "config.json").write_text("{}")
        raise ModelSetupError("no network")
    assert list(tmp_path.iterdir()) == []


def test_the_whole_folder_replaces_the_old_one(tmp_path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/old").touch()
    with whole_folder(tmp_path / "base") as folder:
        (folder / "new").touch()
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["new"]


@pytest.mark.slow
def test_the_real_base_has_135_million_weights_in_bfloat16(tmp_path, monkeypatch, gguf) -> None:
    from stages.train import base

    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    base.main()
    found = read_json("data/train/base.json")
    assert (found["parameters"], found["dtype"]) == (134_515_008, "bfloat16")
