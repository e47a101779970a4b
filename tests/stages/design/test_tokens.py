"""design-tokens: token economics by hand; the stage itself on a tokenizer that counts words."""

import shutil

import pytest
import yaml

from stages.design import tokens as stage
from stages.design.tokens import Config, Plan, authored_work, economics, models, planned_work
from tests.conftest import ROOT, persona, transcript
from tests.test_memory import SMALL
from tunewright.base_models import BaseModelConfig
from tunewright.config import load_file
from tunewright.errors import ConfigError, MissingInputError, RecordError

SECTION = yaml.safe_load((ROOT / "params.yaml").read_text())["design"]["tokens"]


def test_economics_by_hand():
    found = economics(10, [[20, 20, 20], [20, 20]])
    assert (found.exchange_tokens_mean, found.exchange_tokens_p95) == (20, 20)
    assert found.conversation_tokens == (70, 50)
    assert found.exchanges_in(90) == 4  # (90 - 10) / 20


def test_what_fits_goes_by_the_95th_percentile_and_not_by_the_mean():
    # 1 to 19: the 95th percentile by the exclusive method is at 0.95 * 20 = the 19th value
    found = economics(0, [list(range(1, 20))])
    assert (found.exchange_tokens_mean, found.exchange_tokens_p95, found.exchanges_in(40)) == (10, 19, 2)


def test_one_token_less_than_another_exchange_needs_fits_one_less():
    assert [economics(10, [[20, 20]]).exchanges_in(n) for n in (69, 70)] == [2, 3]


def test_a_prompt_longer_than_the_limit_leaves_room_for_no_exchange():
    assert economics(100, [[20, 20]]).exchanges_in(90) == 0


def test_one_exchange_is_too_few_to_measure():
    with pytest.raises(RecordError, match="1 authored exchanges are too few"):
        economics(10, [[20]])


def test_the_authored_conversations_are_shortened_to_what_is_trained_on():
    work = authored_work(economics(10, [[20, 20, 20], [20, 20]]), trained_tokens=60, epochs=2)
    assert (work.tokens, work.mean_tokens) == (2 * (60 + 50), 55)


def plan(**rest):
    fields = {
        "simulated_personas": 100, "exchanges": {"min": 10, "max": 30}, "slices_per_transcript": 4,
        "max_tokens_per_example": 10_000, "epochs": 2, "shares": {"train": 0.9, "valid": 0.1},
    }  # fmt: skip
    return Plan.model_validate(fields | rest)


def test_a_plans_tokens_by_hand():
    found = economics(10, [[20, 20]])
    # 20 exchanges of 20 tokens; four slices hold a quarter, a half, three quarters and all of it: 5/8 on average
    assert planned_work(found, plan()).mean_tokens == 10 + 20 * 5 / 8 * 20
    assert planned_work(found, plan()).tokens == 2 * 100 * 0.9 * 4 * 260
    assert planned_work(found, plan(max_tokens_per_example=200)).mean_tokens == 200
    assert planned_work(found, plan(slices_per_transcript=1)).mean_tokens == 10 + 20 * 20


def test_every_shipped_preset_is_a_plan():
    for path in (ROOT / "conf/preset").glob("*.yaml"):
        assert load_file(path, Plan).epochs > 0


def test_the_configured_model_comes_first_and_once_and_the_others_by_size(tmp_path):
    folder = ROOT / "conf/base_model"
    configured = load_file(folder / "qwen3_4b.yaml", BaseModelConfig)
    found = models(configured, folder)
    assert found[0] == configured
    assert len({m.id for m in found}) == len(found) == len(list(folder.glob("*.yaml"))) >= 9
    assert [m.parameters for m in found[1:]] == sorted(m.parameters for m in found[1:])
    with pytest.raises(ConfigError, match="no base model to compare with"):
        models(configured, tmp_path)


@pytest.fixture
def ready(workspace):
    talks = [transcript("t1", n=2), transcript("t2", n=3, user="Hello there", assistant="Oh")]
    workspace.write_authored([persona()], talks)
    for group in ("base_model", "preset"):
        shutil.copytree(ROOT / "conf" / group, workspace.folder / "conf" / group)
    workspace.write_params("design.tokens", SECTION | {"base_model": SMALL.model_dump(mode="json")})
    return workspace


def test_the_stage_counts_the_words_of_the_authored_talks(ready, word_model):
    (ready.folder / "models").mkdir()
    (ready.folder / "models/base").symlink_to(word_model)
    stage.main()
    found = ready.metrics("design-tokens")
    prompt = 1 + len((ROOT / "prompts/therapy/system.md").read_text().split())  # one for the role
    # t1: "user My cat is ill again 1 assistant Which cat is it 1" = 13, twice; t2: 4 and 3 words, three times
    assert found["exchange_tokens_mean"] == pytest.approx((13 * 2 + 7 * 3) / 5, abs=0.05)
    assert found["limit_tokens"] == 200  # half the window of 400
    assert found["predicted_peak_gib"] >= SECTION["rules"]["footprint"]["cpu_process_gib"]
    report = (ready.folder / "reports/model-choice.md").read_text()
    assert f"| system prompt | {prompt} |" in report
    assert f"| one conversation, longest | {prompt + 26} |" in report


def test_the_report_names_every_candidate_and_the_reason_against_each_that_is_ruled_out(ready, word_model):
    (ready.folder / "models").mkdir()
    (ready.folder / "models/base").symlink_to(word_model)
    stage.main()
    report = (ready.folder / "reports/model-choice.md").read_text()
    table = report.split("## The candidates")[1].split("## Memory")[0]
    out = [line for line in report.splitlines() if line.startswith("- Ruled out: ")]
    for path in (ROOT / "conf/base_model").glob("*.yaml"):
        title = load_file(path, BaseModelConfig).title
        row = next((line for line in table.splitlines() if line.startswith(f"| {title} |")), "")
        reason = any(line.startswith(f"- Ruled out: {title}, because ") for line in out)
        assert ("ruled out" in row) == reason, title
    assert ready.metrics("design-tokens")["models_ruled_out"] == len([line for line in out if "because" in line])


def test_with_no_model_left_the_report_says_so_first(ready, word_model):
    (ready.folder / "models").mkdir()
    (ready.folder / "models/base").symlink_to(word_model)
    ready.params["domain"]["constraints"]["deployment_ram_gib"] = 1e-6
    ready.write_params("design.tokens", SECTION)
    stage.main()
    report = (ready.folder / "reports/model-choice.md").read_text()
    assert report.splitlines()[2].startswith("- **No candidate meets the constraints.**")


def test_without_a_base_model_the_stage_to_run_is_named(ready):
    with pytest.raises(MissingInputError, match="dvc repro train-base"):
        stage.main()


def test_the_shipped_section_is_valid():
    assert Config.model_validate(SECTION).rules.methods.keys() == {"LoRA", "QLoRA"}
