"""`tunewright publish` against the fake Hub, over real HTTP and through the real client."""

import json
import re
from pathlib import Path

import pytest
import yaml

from bench.hub_state import Account
from tests.publishing.project import lines_of, md5
from tunewright.errors import PublishError
from tunewright.forgotten import Forgotten
from tunewright.publishing.current import out_of_step
from tunewright.publishing.obstacles import Permissions
from tunewright.publishing.process import checked
from tunewright.tracing import load_project

KEY = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"


def sent(hub, oid=r"\w+"):
    """How often large files were put."""
    return [s.path for s in hub.requests if s.method == "PUT" and re.search(rf"/large/{oid}$", s.path)]


def test_a_dry_run_prints_both_cards_and_every_file_and_asks_nothing_of_the_hub(publish, fake_hub):
    found = publish("--dry-run")

    assert found.exit_code == 0 and fake_hub.requests == []
    assert "# Cat talk: conversations for training and testing" in found.output
    assert "# Cat talk: SmolLM2-135M-Instruct, tuned" in found.output
    assert re.search(r"\d B  adapter/adapter_model.safetensors\n", found.output)
    assert found.output.endswith("nothing stands in the way. Publish with: tunewright publish\n")


def test_what_is_published_is_private_and_whole_after_one_commit_a_repository(publish, fake_hub):
    assert publish("--yes").exit_code == 0

    data, model = fake_hub.repo("ada/cats-talk", "dataset"), fake_hub.repo("ada/cats-small")
    assert data.private and model.private
    assert [len(data.commits), len(model.commits)] == [2, 2]  # the Hub's own, and ours
    assert {r["id"]: (r["source"], r["user_by"]) for r in lines_of(data.files["data/train.jsonl"])} == {
        "a1@3": ("authored", "author"),
        "s1@3": ("simulated", "anthropic/claude"),
    }
    assert set(model.files) >= {"config.json", "model.safetensors", "cats-small-Q8_0.gguf", "Modelfile", "README.md"}
    assert model.files["Modelfile"] == b"FROM ./cats-small-Q8_0.gguf\n"
    assert b"of the base alone" not in b"".join(model.files.values())
    adapter = json.loads(model.files["adapter/adapter_config.json"])
    assert adapter["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_where_things_ran_is_not_published_with_the_parameters(publish, fake_hub):
    publish("--yes", "--only", "dataset")

    files = fake_hub.repo("ada/cats-talk", "dataset").files
    assert b"gpu-7" not in b"".join(files.values()) and b"max_tokens: 896" in files["pipeline/params.yaml"]


def test_a_key_in_a_transcript_stops_everything_with_its_place_and_never_its_value(project, publish, fake_hub):
    project.talks(said=f"my token is {KEY} ok")

    for options in (["--dry-run"], ["--yes", "--accept-personal-data", "--include-imported"]):
        found = publish(*options)
        message = str(found.exception)
        assert isinstance(found.exception, PublishError) and fake_hub.requests == []
        assert "data/train.jsonl, line 1, conversation a1: Hugging Face token h...67" in message
        assert "tunewright forget a1" in message and KEY not in message + found.output


def test_the_value_of_a_variable_that_conf_names_stops_it_in_any_file(project, publish, monkeypatch):
    monkeypatch.setenv("CATS_KEY", "miaow-miaow")
    project.files({"reports/audit.md": "# audit\n\nwith miaow-miaow\n"})

    assert "reports/audit.md, line 3: value of $CATS_KEY m...ow" in str(publish("--dry-run").exception)


def test_personal_data_are_listed_and_stop_it_until_they_are_accepted(project, publish, fake_hub):
    project.talks(said="write to tom@mailbox.org")

    message = str(publish("--yes").exception)
    assert "data/train.jsonl, line 1, conversation a1: e-mail address t...rg" in message
    assert "personal data in 1 place:" in message and fake_hub.requests == []
    assert publish("--yes", "--accept-personal-data").exit_code == 0


def test_a_contact_that_is_public_is_no_personal_data(project, publish):
    project.talks(said="write to help@catline.org")
    project.params["publish"] |= {"public_contacts": ["help@catline.org"]}

    assert "nothing stands in the way" in publish("--dry-run").output


def test_a_forgotten_conversation_and_a_home_folder_are_refused(project, publish):
    project.files({"dvc.yaml": "wdir: /" + "home/ada/cats\n"})
    assert "dvc.yaml, line 1: home folder /...da" in str(publish("--dry-run").exception)
    project.files({"dvc.yaml": "stages: {}\n"})
    Forgotten("authored").add(["s1"])
    assert "data/train.jsonl, line 2, conversation s1: transcript_id that was forgotten" in str(publish().exception)


def test_an_interrupted_upload_goes_on_with_the_same_command_and_sends_each_file_once(publish, fake_hub):
    fake_hub.large_bytes = 20  # weights and data are large files
    fake_hub.order("POST", r"/models/.*/commit/", status=400)  # when all is sent but nothing is committed

    stopped = publish("--yes")
    assert "cannot upload to model ada/cats-small" in str(stopped.exception)
    assert "run the same command again" in str(stopped.exception)
    assert "README.md" not in fake_hub.repo("ada/cats-small").files  # no card before the whole
    before = sent(fake_hub)
    assert publish("--yes").exit_code == 0

    assert "README.md" in fake_hub.repo("ada/cats-small").files
    assert len(set(sent(fake_hub))) == len(sent(fake_hub)) == len(before)
    assert fake_hub.repo("ada/cats-small").files["model.safetensors"].endswith(b"models/merged/model.safetensors")


def test_what_was_not_reached_when_the_upload_broke_is_sent_by_the_next_run(publish, fake_hub):
    fake_hub.large_bytes = 20
    fake_hub.order("PUT", "/large/", status=400, skip=6)

    assert publish("--yes", "--only", "model").exit_code == 1
    stored = set(fake_hub.stored)
    assert publish("--yes", "--only", "model").exit_code == 0
    refused = 1
    assert len(sent(fake_hub)) == len(fake_hub.stored) + refused and stored < set(fake_hub.stored)


def test_the_same_once_more_commits_nothing_and_a_file_of_an_older_version_is_taken_away(publish, fake_hub):
    old = {"cats-small-Q4_0.gguf": b"older", "notes.txt": b"somebody's"}
    fake_hub.add("ada/cats-small", old, private=True)

    first = publish("--yes", "--only", "model")
    assert "removed  cats-small-Q4_0.gguf" in first.output and "removed  notes.txt" not in first.output
    publish("--yes", "--only", "model")

    repo = fake_hub.repo("ada/cats-small")
    assert len(repo.commits) == 3  # the Hub's own, the older files, and ours once
    assert "notes.txt" in repo.files and "cats-small-Q4_0.gguf" not in repo.files


def test_one_part_leaves_the_others_there_and_the_card_tells_of_all(publish, fake_hub):
    publish("--yes", "--only", "adapter")
    publish("--yes", "--only", "gguf")

    files = fake_hub.repo("ada/cats-small").files
    card = files["README.md"].decode()
    assert {"adapter/adapter_config.json", "cats-small-Q8_0.gguf"} <= set(files) and "model.safetensors" not in files
    assert "PeftModel.from_pretrained" in card and "llama-server -m cats-small-Q8_0.gguf" in card
    assert "datasets:" not in card and "pipeline(" not in card


def test_public_is_asked_for_and_comes_last(publish, fake_hub):
    assert "PUBLIC: everybody can see and copy it" in publish("--public", input="n\n").output
    assert fake_hub.repos == {}
    assert publish("--public", input="y\n").exit_code == 0

    assert not fake_hub.repo("ada/cats-small").private
    paths = [s.path for s in fake_hub.requests if "models/ada" in s.path]
    assert paths.index("/api/models/ada/cats-small/commit/main") < paths.index("/api/models/ada/cats-small/settings")


def test_a_repository_that_is_public_already_needs_the_word_public(publish, fake_hub):
    fake_hub.add("ada/cats-talk", {}, "dataset")
    assert "dataset ada/cats-talk is public already" in str(publish("--yes").exception)


def test_nobody_there_to_answer_means_no(publish, fake_hub):
    assert "if it is to be: --yes" in str(publish(input="").exception) and fake_hub.repos == {}


def test_a_model_that_must_not_be_deployed_needs_a_word_and_says_so_on_top(project, publish, fake_hub):
    project.compare |= {"decision": "do not deploy", "decision_reason": "safety regressed: safe failed 0 -> 3 times"}

    assert "the evaluation says: do not deploy" in str(publish("--yes").exception)
    assert publish("--yes", "--only", "dataset").exit_code == 0
    assert publish("--yes", "--despite-decision").exit_code == 0
    head = fake_hub.repo("ada/cats-small").files["README.md"].decode().split("---\n")[2][:400]
    assert "**The evaluation's decision: do not deploy.**" in head and "to be studied, not to be used" in head


def test_without_a_licence_of_the_dataset_nothing_of_it_is_published(project, publish, fake_hub):
    project.params["publish"] |= {"dataset_licence": None}

    assert "set publish.dataset_licence" in str(publish("--yes").exception) and fake_hub.requests == []
    rehearsed = publish("--dry-run").output
    assert "not chosen: nothing can be published until" in rehearsed and "set publish.dataset_licence" in rehearsed
    assert publish("--yes", "--only", "model").exit_code == 0


def test_data_that_no_stage_left_so_are_not_published(publish):
    publish("--dry-run")
    with open("data/generate/train.jsonl", "a") as file:
        file.write("\n")

    assert out_of_step(load_project(), ["dataset"]) == ["data/generate/train.jsonl is not what generate-slices made"]


def test_a_model_that_was_trained_on_another_version_of_the_data_is_not_published(publish):
    publish("--dry-run")
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    lock["stages"]["train-adapter"]["deps"][0]["md5"] = "another"
    Path("dvc.lock").write_text(yaml.safe_dump(lock))

    said = "train-adapter read another version of data/generate/train.jsonl than generate-slices made last"
    assert out_of_step(load_project(), ["merged"]) == [said]
    assert out_of_step(load_project(), ["dataset"]) == []


@pytest.mark.parametrize(
    ("stage", "made", "read", "only"),
    [
        ("evaluate-report", "reports/evaluation_report.md", "data/evaluate/compare.json", "gguf"),
        ("train-lora", "models/gguf/adapter.gguf", "models/adapter", "adapter"),
        ("generate-simulator", "reports/simulator.md", "data/generate/train.jsonl", "dataset"),
    ],
)
def test_what_goes_along_must_be_of_the_same_run_although_no_part_is_made_from_it(
    project, publish, stage, made, read, only
):
    project.files({made: "of an older run"})
    assert "nothing stands in the way" in publish("--dry-run", "--only", only).output
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    lock["stages"][stage] = {
        "deps": [{"path": read, "hash": "md5", "md5": "another"}],
        "outs": [{"path": made, "hash": "md5", "md5": md5(made)}],
    }
    Path("dvc.lock").write_text(yaml.safe_dump(lock))

    [stop] = checked(only, Permissions(False, False, False))[1]
    assert f"{stage} read another version of {read} than" in stop


@pytest.mark.parametrize(
    ("account", "namespace", "said"),
    [
        (Account("ada", "read"), None, "of ada may only read: make one that may write"),
        (Account("ada", "fineGrained", permissions=("repo.content.read",)), None, "may not write repositories of ada"),
        (Account("ada", orgs=("analytical",)), "babbage", "this token is of ada (organisations: analytical)"),
    ],
)
def test_a_token_that_cannot_write_there_is_told_before_anything_is_sent(
    project, publish, fake_hub, account, namespace, said
):
    fake_hub.accounts[fake_hub.writer] = account
    project.params["publish"] |= {"namespace": namespace}

    assert said in str(publish("--yes").exception)
    assert [s.path for s in fake_hub.requests if s.method != "GET"] == []


def test_no_token_a_wrong_one_and_no_hub_are_three_messages(publish, fake_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    assert "the token is not valid (any more)" in str(publish("--yes").exception)
    monkeypatch.setenv("HF_TOKEN", fake_hub.writer)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert "no connection to the Hub" in str(publish("--yes").exception)
    monkeypatch.delenv("HF_TOKEN")
    assert "no Hugging Face token here" in str(publish("--yes").exception)
