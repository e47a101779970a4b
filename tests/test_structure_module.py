"""What a stage depends on is read from its source, wherever in it the import stands."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tunewright.structure import dependencies, first_party_imports


@pytest.fixture
def source(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def names(paths):
    return {p.as_posix() for p in paths}


def test_every_form_of_import_is_found(source):
    root = source(
        tunewright__a="", tunewright__b="", tunewright__c="", tunewright__d="",
        main="import os, tunewright.a\nfrom tunewright import b, missing\nfrom tunewright.c import thing\n"
        "import tunewright.d as short\nfrom json import loads\n",
    )  # fmt: skip
    assert names(first_party_imports(root / "main.py", root)) == {f"tunewright/{x}.py" for x in "abcd"}


def test_imports_inside_functions_branches_and_classes_are_found(source):
    root = source(
        tunewright__a="", tunewright__b="", tunewright__c="",
        main="def f():\n    from tunewright import a\n    if f:\n        import tunewright.b\n"
        "class K:\n    from tunewright.c import x\n",
    )  # fmt: skip
    assert names(first_party_imports(root / "main.py", root)) == {f"tunewright/{x}.py" for x in "abc"}


def test_an_import_in_a_string_or_a_comment_is_none(source):
    root = source(tunewright__a="", main="# import tunewright.a\ntext = 'from tunewright import a'\n")
    assert first_party_imports(root / "main.py", root) == set()


def test_dependencies_are_followed_through_and_round_a_circle(source):
    root = source(
        stages__s="from tunewright import a\n", tunewright__a="import tunewright.b\n",
        tunewright__b="def f():\n    from tunewright import a, c\n", tunewright__c="", tunewright__unused="",
    )  # fmt: skip
    found = dependencies(Path("stages/s.py"), root)
    assert names(found) == {"stages/s.py", "tunewright/a.py", "tunewright/b.py", "tunewright/c.py"}


def test_the_real_scores_stage_depends_on_scoring_and_its_measures_and_on_no_model():
    found = names(dependencies(Path("stages/generate/scores.py"), ROOT))
    assert {"tunewright/scoring.py", "tunewright/rubric.py", "tunewright/measures.py"} <= found
    assert "tunewright/llm.py" not in found
    assert "tunewright/providers.py" in names(dependencies(Path("stages/generate/verdicts.py"), ROOT))
