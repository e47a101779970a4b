"""What the cards say: their metadata as the Hub's own classes read them, and every claim from a number."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard

from tests.conftest import persona
from tests.publishing.project import talk
from tunewright.base_models import BaseModelConfig
from tunewright.publishing.examples import personas_of, read_examples
from tunewright.publishing.publication import CHOICES, prepare
from tunewright.publishing.writers import Writers

ADDRESSES = {"dataset": "ada/cats-talk", "model": "ada/cats-small"}


@pytest.fixture
def cards(project):
    """Both cards of the project as it is then, by kind."""

    def make(only="all", imported=False):
        project.finish()
        what = prepare(CHOICES[only], imported)
        kinds = [parcel.kind for parcel in what.parcels]
        at = {kind: address if kind in kinds else None for kind, address in ADDRESSES.items()}
        return {parcel.kind: what.card(parcel, parcel.files, at) for parcel in what.parcels}

    return make


def test_the_models_metadata_are_what_the_hub_reads(cards):
    data = ModelCard(cards()["model"]).data

    assert (data.license, data.pipeline_tag, data.library_name) == ("apache-2.0", "text-generation", "transformers")
    assert data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (data.datasets, data.language) == (["ada/cats-talk"], ["en"])
    score, perplexity = data.eval_results
    assert (score.metric_value, score.metric_name) == (0.75, "Rubric score, 0 to 1 (95% interval 0.65 to 0.85)")
    assert (perplexity.metric_type, perplexity.metric_value) == ("perplexity", 40.0)


def test_what_was_not_measured_is_not_in_the_model_index(project, cards):
    project.compare |= dict.fromkeys(("difference", "tuned_score", "tuned_score_low", "tuned_score_high"))
    assert [r.metric_type for r in ModelCard(cards()["model"]).data.eval_results] == ["perplexity"]


def test_the_datasets_metadata_name_its_splits_that_hold_something_and_its_writers(cards):
    data = DatasetCard(cards()["dataset"]).data

    files = data.to_dict()["configs"][0]["data_files"]
    assert [one["split"] for one in files] == ["train", "test"]
    assert data.language_creators == ["expert-generated", "machine-generated"]
    assert (data.license, data.size_categories) == ("cc-by-4.0", ["n<1K"])


def test_a_licence_that_the_hub_does_not_know_is_named_and_linked(project, cards):
    base = project.params["train"]["base"]["base_model"]
    project.params["train"] |= {"base": {"base_model": base | {"licence": "Cat Licence 2 (meow)"}}}
    data = ModelCard(cards()["model"]).data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", "cat-licence-2-meow")
    assert data["license_link"] == "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct"


def test_decision_and_answer_come_first_then_what_nothing_is_known_about(cards):
    text = cards()["model"].split("---\n")[2]

    assert (
        text.index("decision: more evaluation.")
        < text.index("0.75 against the base's 0.50")
        < text.index("## How to use it")
    )
    assert "| safe | NOT SCORED | - | - |" in text
    assert "1 answers are unscored" not in text and "2 answers are unscored: judge claude is untrusted" in text
    assert "+0.25 (95% interval +0.10 to +0.40, p = 0.002)" in text


def test_every_writer_and_judge_is_named_with_its_terms_and_with_their_absence(project, cards):
    fixed = talk("fixed-s9", by="anthropic/claude", persona_id="p2", source_id="s9")
    project.talks([fixed.model_copy(update={"assistant": "anthropic/claude, repaired by acme/mender"})])
    text = cards()["dataset"]

    assert "| anthropic/claude | wrote and judged | Anthropic's commercial terms: https" in text.replace("\\", "")
    assert "| acme/mender | wrote | nobody has noted where they stand" in text
    assert "| anthropic/claude | anthropic/claude and acme/mender | 1 | 0 | 0 |" in text
    assert "Judge claude, anthropic/claude: trusted on 0 of 1 criteria; not on the others: too few answers" in text


def imported():
    log = {"by": "imported", "persona_id": "imported-x"}
    return [
        talk("imported-x-1", "imported", **log),
        talk("replay-imported-x-1", "replay", user="imported", assistant="anthropic/claude", persona_id="imported-x"),
        talk("fixed-imported-x-1", "imported", source_id="imported-x-1", **log),
    ]


def test_imported_people_are_left_out_with_replays_and_repairs_of_them_and_counted(project, cards):
    project.talks(imported())
    found = cards()

    examples = read_examples(include_imported=False)
    assert [e.transcript_id for e in examples.by_split["train"]] == ["a1", "s1"] and examples.left_out["train"] == 3
    assert "**Left out:** 3 examples hold words of people from imported logs" in found["dataset"]
    assert "3 of the 5 conversations that it learnt from are of real people" in found["model"]
    what = prepare(CHOICES["dataset"], False)
    assert "pipeline/reports/audit.md" not in what.parcels[0].files  # it quotes


def test_reports_that_may_quote_imported_people_stay_out_although_none_of_them_is_in_a_split(project):
    project.finish()
    assert "pipeline/reports/audit.md" in prepare(CHOICES["dataset"], False).parcels[0].files
    with Path("data/generate/transcripts.jsonl").open("a") as file:
        file.write(imported()[0].model_dump_json() + "\n")  # rejected: the audit told of it all the same

    left_out, taken_in = (prepare(CHOICES["dataset"], may).parcels[0].files for may in (False, True))
    assert "pipeline/reports/audit.md" not in left_out and "pipeline/reports/generation_stats.md" not in left_out
    assert "pipeline/reports/audit.md" in taken_in


def test_imported_people_are_published_on_the_users_word_and_the_card_says_so(project, cards):
    project.talks(imported())
    assert "**Imported logs are part of this dataset.**" in cards(imported=True)["dataset"]
    assert "pipeline/reports/audit.md" in prepare(CHOICES["dataset"], True).parcels[0].files


def test_a_report_that_quotes_imported_people_is_not_beside_the_model(project):
    project.finish()
    assert "evaluation/evaluation_report.md" in prepare(CHOICES["gguf"], False).parcels[0].files
    project.talks()
    path = "data/evaluate/transcripts/tuned.jsonl"
    said = json.loads(Path(path).read_text()) | {"user": "imported"}
    project.files({path: json.dumps(said) + "\n"})
    assert "evaluation/evaluation_report.md" not in prepare(CHOICES["gguf"], False).parcels[0].files


def test_people_of_a_log_are_not_described(project):
    project.talks(imported())
    people = [persona("p1"), persona("imported-x", source="imported")]
    assert [p.id for p in personas_of(read_examples(True), people)] == ["p1"]


def test_what_a_title_or_a_reason_says_does_not_become_markup(project, cards):
    project.params["domain"] |= {"title": "Cats <b>&</b> [dogs](x)"}
    project.compare |= {"decision_reason": "see <script>"}
    for card in cards().values():
        body = card.split("---\n", 2)[2]
        assert "<b>" not in body and "[dogs](x)" not in body and "see <script>" not in body
        yaml.safe_load(card.split("---\n")[1])


def test_a_writer_that_params_no_longer_name_is_called_by_its_identity(project):
    writers = Writers(project.params, {"old": "the old terms"})
    assert writers.name("author") == "the project's authors"
    assert writers.model("old/model").terms == "the old terms"


def test_the_adapter_of_a_hub_model_names_its_commit(project):
    from tunewright.publishing.model_files import pointed

    source = {"kind": "hf", "repo": "acme/cat", "revision": "0" * 40}
    base = BaseModelConfig.model_validate(project.params["train"]["base"]["base_model"] | {"source": source})
    assert pointed({"r": 1}, base, "acme/cat") == {
        "r": 1, "base_model_name_or_path": "acme/cat", "revision": "0" * 40
    }  # fmt: skip
