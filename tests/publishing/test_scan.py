"""What is found in files that would be published: where, of which kind, and never the value itself."""

import json
import struct
from pathlib import Path

import gguf
import numpy
import pytest

from tunewright.forgotten import Forgotten
from tunewright.gguf_reading import header_bytes
from tunewright.publishing.parcel import Upload, part_of
from tunewright.publishing.scan import Search, scan
from tunewright.publishing.secret_patterns import Secret, find_secrets, own_secrets

RANDOM = "8fJk29dKslQpzX7vBn3mRt6yLw4cHg5a"
SECRETS = [
    ("Hugging Face token", f"hf_{RANDOM}aa"),
    ("Anthropic key", f"sk-ant-api03-{RANDOM}"),
    ("OpenAI key", f"sk-proj-{RANDOM}"),
    ("OpenAI key", f"sk-{RANDOM}"),
    ("AWS key id", "AKIA" + "IOSFODNN7QQQQQQQ"),
    ("Google key", f"AIza{RANDOM}abc"),
    ("GitHub token", f"ghp_{RANDOM}abcd"),
    ("GitHub token", f"github_pat_{RANDOM}"),
    ("Slack token", "xoxb-" + "123456789012-abcdef"),
    ("private key", "-----BEGIN " + "RSA PRIVATE KEY-----"),
    ("private key", "-----BEGIN " + "PRIVATE KEY-----"),
    ("JSON web token", f"eyJhbGciOiJI.eyJzdWIiOiIx.{RANDOM}"),
    ("password in a URL", "postgres://ada:" + "lovelace@db.internal"),
]


@pytest.mark.parametrize(("kind", "value"), SECRETS)
def test_a_secret_of_a_known_form_is_found_in_a_sentence_and_masked(kind, value):
    assert find_secrets(f'He wrote "{value}", and then left.', {}) == [Secret(kind, f"{value[0]}...{value[-2:]}")]


@pytest.mark.parametrize(
    "text",
    [f"api_key={RANDOM}", f'"password": "{RANDOM}"', f"my password is {RANDOM}", f"SECRET_KEY: '{RANDOM}'"],
)
def test_what_is_assigned_to_a_key_or_password_is_one_if_it_looks_random(text):
    assert [s.kind for s in find_secrets(text, {})] == ["assigned secret"]


@pytest.mark.parametrize(
    "text",
    [
        "The risk-averse and the task-oriented people of the mask-wearing desk-bound kind",
        "sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "api_key_env: ANTHROPIC_API_KEY",
        "my password is the name of my first cat",
        "the secret: patience, and a great deal of tea",
        "see https://example.org/a:b/c@d and tokens: 1024",
        "password = correct-horse-battery",
    ],
)
def test_prose_hashes_and_names_of_variables_are_no_secrets(text):
    assert find_secrets(text, {}) == []


def test_values_of_this_machines_variables_are_secrets_when_they_are_long_enough_to_be_one():
    own = own_secrets(["LONG", "SHORT", "UNSET"], {"LONG": "meow-meow-1", "SHORT": "x"}, token="the-hubs-token")
    assert own == {"$LONG": "meow-meow-1", "the Hub's token": "the-hubs-token"}
    assert find_secrets("say meow-meow-1", own) == [Secret("value of $LONG", "m...-1")]


@pytest.fixture
def search(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Search({}, ("help@catline.org",), Forgotten("authored"), ("/srv/cats/project",))


def record(id, *said):
    return json.dumps({"id": f"{id}@3", "transcript_id": id, "messages": [{"content": text} for text in said]}) + "\n"


def test_a_finding_names_file_line_and_conversation_and_a_message_repeated_in_slices_is_told_once(search):
    lines = record("a", "hello") + record("b", "call\n+44 20 7123 4567") + record("b", "call\n+44 20 7123 4567", "bye")
    [found] = scan([Upload("data/train.jsonl", lines.encode())], search)
    assert str(found) == "data/train.jsonl, line 2, conversation b: phone number +...67"


@pytest.mark.parametrize(("kind", "value"), SECRETS)
@pytest.mark.parametrize("before", ["\\n", "\\t", "\\u00e9 ", "\\/"])
def test_a_secret_at_the_beginning_of_a_line_inside_a_json_or_yaml_string_is_found(search, kind, value, before):
    for name in ("metrics/a.json", "params.yaml"):
        assert [f.kind for f in scan([Upload(name, f'x: "said{before}{value}"'.encode())], search)] == [kind]


@pytest.mark.parametrize(
    ("kind", "value"), [one for one in SECRETS if one[0] not in ("private key", "password in a URL")]
)
@pytest.mark.parametrize("before", ["x", "token_", "KEY", "9", "\u00e9"])
def test_a_secret_right_after_a_letter_or_an_underscore_is_found(kind, value, before):
    value = {"Slack token": f"xoxb-{RANDOM}", "AWS key id": "AKIA" + "IOSFODNN7EXAMPLE"}.get(kind, value)
    assert kind in [one.kind for one in find_secrets(f"the {before}{value} there", {})]


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgresql+asyncpg://user:" + "hunter@db.example/x", Secret("password in a URL", "a...le")),
        ("postgresql+psycopg2://app:" + "correcthorse@db/x", Secret("password in a URL", "p...db")),
        ("mysql+mysqlconnector://root:" + "geheim@db", Secret("password in a URL", "m...db")),
        (f"postgresql+asyncpg://user:{RANDOM}@db", Secret("password in a URL", "a...db")),
        ("ask-sk-proj-" + "abcdefghijklmnopqrstuvwxyz", Secret("OpenAI key", "s...yz")),
    ],
)
def test_a_secret_at_the_beginning_of_a_word_is_found_once_though_its_form_fits_from_within_the_word_before(
    value, secret
):
    assert find_secrets(f"see {value}", {}) == [secret]


def test_a_word_that_ends_like_the_beginning_of_a_key_is_none():
    text = "risk-averse-people-and-task-oriented-people, desk-and-chair-and-lamp-42; half_a_dozen"
    assert find_secrets(text, {}) == []


def test_a_picture_in_base64_is_not_taken_for_keys():
    run = (RANDOM * 8)[:150]
    assert find_secrets(f"data:image/png;base64,{run}AIza{RANDOM}abc{run}", {}) == []
    assert find_secrets(f"{RANDOM}AIza{RANDOM}abc", {}) != []


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["notes.md", "data/train.jsonl", "vocab.bin"])
def test_a_secret_in_wide_characters_is_found(search, coding, name):
    found = scan([Upload(name, f"He wrote\nhf_{RANDOM}aa there\n".encode(coding))], search)
    assert {f.kind for f in found} == {"Hugging Face token"}


def gguf_with(path, note, n_tokens=30_000):
    """A GGUF whose vocabulary takes more than 256 KiB, with a note after it."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token number {n}" for n in range(n_tokens)])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_description(note)
    writer.add_tensor("w", numpy.zeros((32, 32), dtype=numpy.float32))
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()


def test_metadata_of_a_gguf_are_searched_however_long_its_vocabulary_is(search, tmp_path):
    path = tmp_path / "m.gguf"
    gguf_with(path, f"made with hf_{RANDOM}aa")
    assert path.read_bytes().find(b"hf_") > 256 * 1024
    assert [f.kind for f in scan([Upload("m.gguf", path)], search)] == ["Hugging Face token"]
    assert header_bytes(path) < path.stat().st_size - 32 * 32 * 4 + 32  # the weights are not part of it


NESTED = struct.pack("<QQQcI", 0, 1, 1, b"a", 9) + struct.pack("<IQ", 9, 1) * 3000  # one key: arrays in arrays


@pytest.mark.parametrize(
    "broken", [b"", b"\x03\0\0\0" + b"\xff" * 40, b"\x09\0\0\0" + b"\0" * 16, b"\x03\0\0\0" + NESTED]
)
def test_a_gguf_whose_header_makes_no_sense_is_searched_whole(search, tmp_path, broken):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + broken + b"\0" * 300_000 + f"hf_{RANDOM}aa".encode())
    assert [f.kind for f in scan([Upload("m.gguf", path)], search)] == ["Hugging Face token"]


def test_paths_and_people_inside_an_escaped_string_are_found_once(search):
    home = "/ho" + "me/ada"
    found = {
        f'"see\\n{home}/x"': "home folder",
        f'"{home.replace("/", chr(92) + "/")}"': "home folder",
        r"C:\Users\norbert": "home folder",  # no escape, although it looks like one
        r'"C:\\Users\\norbert"': "home folder",
        '"call\\n+44 20 7123 4567"': "phone number",
        '"write\\ntom@mailbox.org"': "e-mail address",
    }
    for text, kind in found.items():
        assert [f.kind for f in scan([Upload("a.json", text.encode())], search)] == [kind], text


def test_a_line_that_holds_no_record_is_searched_as_text(search):
    for line in (f"{{broken hf_{RANDOM}aa", f'["hf_{RANDOM}aa"]'):
        assert [f.line for f in scan([Upload("a.jsonl", f"{{}}\n{line}\n".encode())], search)] == [2]


def test_public_contacts_and_version_numbers_in_lock_files_are_no_personal_data(search):
    uploads = [Upload("a.md", b"help@catline.org\n"), Upload("pipeline/requirements.lock", b"cats==41.2.7.12\n")]
    assert scan(uploads, search) == []
    assert [f.kind for f in scan([Upload("a.md", b"cats 41.2.7.12\n")], search)] == ["IP address"]


def test_paths_of_this_machine_are_found_in_texts_and_in_the_head_of_a_binary_file(search):
    texts = [b"/ho" + b"me/ada/x", b"C:\\Users\\ada", b"/srv/cats/project/data", b"GGUF\0\0/ho" + b"me/ada/base\0"]
    for text in texts:
        assert [f.sort for f in scan([Upload("a", text)], search)] == ["path of this machine"], text
    assert scan([Upload("a", b"models/base and https://cats.org/ho" + b"me/page")], search) == []


def test_the_whole_header_of_safetensors_is_searched_and_the_weights_after_it_are_not(search):
    header = b" " * 400_000 + f"hf_{RANDOM}aa".encode()
    data = len(header).to_bytes(8, "little") + header
    key = f" hf_{RANDOM}bb".encode()
    found = scan([Upload("m.safetensors", data + key), Upload("m.gguf", b"\0" * 400_000 + key)], search)
    assert [(f.kind, f.masked) for f in found] == [("Hugging Face token", "h...aa")]


def test_a_report_with_a_zero_byte_in_it_is_searched_as_text_to_its_end(search):
    text = b"a\0b\n" + b"x" * 400_000 + b"\ncall +44 20 7123 4567\n"
    assert [(f.kind, f.line) for f in scan([Upload("reports/audit.md", text)], search)] == [("phone number", 3)]


def test_what_a_file_on_disk_holds_is_told_by_its_place_there(search):
    Path("notes.md").write_text("fine\nwrite to tom@mailbox.org\n")
    [found] = scan([Upload("pipeline/notes.md", Path("notes.md"))], search)
    assert (found.path, found.line, found.conversation) == ("notes.md", 2, None)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("adapter/adapter_config.json", "adapter"),
        ("model-00001-of-00002.safetensors", "merged"),
        ("tokenizer.model", "merged"),
        ("cats-Q8_0.gguf", "gguf"),
        ("pipeline/metrics/a/b.json", "dataset"),
        ("adapter/config.json", "adapter"),
        ("README.md", None),
        ("pictures/cat.png", None),
    ],
)
def test_every_path_of_a_repository_belongs_to_one_part_or_to_somebody_else(path, part):
    assert part_of(path) == part
