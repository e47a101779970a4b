"""The fake Hub answers the real client as the Hub is documented to."""

from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

from bench.hub_state import Account, JobFailed


@pytest.fixture
def api(fake_hub):
    made = HfApi(endpoint=fake_hub.url, token=fake_hub.writer)
    made.create_repo("ada/notes", repo_type="dataset", private=True)
    return made


def put(api, path="a.txt", data=b"one"):
    return api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id="ada/notes", repo_type="dataset")


def test_what_is_committed_is_listed_and_can_be_fetched_at_its_revision(fake_hub, api, tmp_path):
    first = put(api, data=b"one").oid
    put(api, data=b"two")

    assert api.list_repo_files("ada/notes", repo_type="dataset") == [".gitattributes", "a.txt"]
    assert fake_hub.repo("ada/notes", "dataset").files["a.txt"] == b"two"
    found = api.hf_hub_download("ada/notes", "a.txt", repo_type="dataset", revision=first, local_dir=tmp_path)
    assert Path(found).read_bytes() == b"one"


def test_a_large_file_goes_through_large_file_storage_and_comes_back(fake_hub, api, tmp_path):
    fake_hub.large_bytes = 10

    put(api, "big.bin", b"z" * 100)

    assert list(fake_hub.stored.values()) == [b"z" * 100]
    found = api.hf_hub_download("ada/notes", "big.bin", repo_type="dataset", local_dir=tmp_path)
    assert Path(found).read_bytes() == b"z" * 100


def test_a_token_may_do_what_its_role_allows(fake_hub, api):
    fake_hub.accounts["hf_fine"] = Account("ada", "fineGrained", permissions=("repo.write",))

    assert HfApi(endpoint=fake_hub.url, token="hf_fine").whoami()["auth"]["accessToken"]["role"] == "fineGrained"
    HfApi(endpoint=fake_hub.url, token="hf_fine").create_repo("ada/other")
    for token, repo, status in (("hf_wrong", "ada/x", 401), (fake_hub.reader, "ada/x", 403), ("hf_fine", "bob/x", 403)):
        with pytest.raises(HfHubHTTPError) as caught:
            HfApi(endpoint=fake_hub.url, token=token).create_repo(repo)
        assert caught.value.response.status_code == status


def test_what_is_not_there_or_private_to_another_is_not_found(fake_hub, api, tmp_path):
    fake_hub.accounts["hf_bob"] = Account("bob")
    for token in (fake_hub.writer, "hf_bob"):
        with pytest.raises(RepositoryNotFoundError):
            HfApi(endpoint=fake_hub.url, token=token).repo_info("ada/notes", repo_type="model")
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=fake_hub.url, token="hf_bob").repo_info("ada/notes", repo_type="dataset")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("ada/notes", "none.txt", repo_type="dataset", local_dir=tmp_path)


def test_an_ordered_fault_strikes_once_and_does_or_undoes_what_it_says(fake_hub, api):
    files = fake_hub.repo("ada/notes", "dataset")
    fake_hub.order("POST", "/commit/", status=500)
    with pytest.raises(HfHubHTTPError):
        put(api)
    assert "a.txt" not in files.files

    fake_hub.order("POST", "/commit/", drop=True, late=True)
    with pytest.raises(httpx.RemoteProtocolError):
        put(api)
    assert files.files["a.txt"] == b"one"


def test_a_job_is_labelled_followed_and_ends_as_it_is_played(fake_hub, api):
    def play(job):
        yield from ("one", "two")
        raise JobFailed("out of memory")

    fake_hub.play = play
    job = api.run_job(image="i", command=["c"], labels={"run": "7"}, namespace="ada", secrets={"HF_TOKEN": "s"})

    assert [found.id for found in api.list_jobs(labels={"run": "7"}, namespace="ada")] == [job.id]
    assert list(api.list_jobs(labels={"run": "8"}, namespace="ada")) == []
    assert list(api.fetch_job_logs(job_id=job.id, namespace="ada", follow=True)) == ["one", "two"]
    status = api.inspect_job(job_id=job.id, namespace="ada").status
    assert (status.stage, status.message) == ("ERROR", "out of memory")
    assert fake_hub.jobs[0].spec["secrets"] == {"HF_TOKEN": "s"}
