"""No code runs that came with data: sources are read for what could run some, each rule is tried on a bad example."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tunewright import prompts
from tunewright.config import read_yaml
from tunewright.errors import ConfigError
from tunewright.publishing import card_text
from tunewright.reviewing import pages
from tunewright.yaml_reading import YamlFault, parse_as_dvc_reads, parse_yaml

RUNS_WHAT_IT_LOADS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
SHELL_ALLOWED = {
    "tunewright/plan.py",  # stages' commands out of dvc.yaml, as DVC itself runs them
    "bench/readme_commands.py",  # README's own commands
}
SAFE_LOADERS = {"_Loader", "_DvcLoader"}  # of yaml_reading.py, both SafeLoaders
WORDS = {"eval", "exec", "os.system", "os.popen", "torch.load", "Markup", "runpy.run_path"}
CALLS = {
    "create_subprocess_shell",
    "getoutput",
    "getstatusoutput",
    "unsafe_load",
    "unsafe_load_all",
    "full_load",
    "full_load_all",
}
SOURCES = sorted(p for folder in ("tunewright", "stages", "bench") for p in (ROOT / folder).rglob("*.py"))


TRIGGER = re.compile(
    r"pickle|dill|joblib|shelve|marshal|jinja2|eval\(|exec\(|\bos\b|torch|Markup|yaml|sh\b|shell|output\(|trust_remote|from_pre"
)


def faults(text, path="a.py"):
    """Everything in a source that could run code out of a file, by line."""
    if not TRIGGER.search(text):
        return []
    return [f"{path}:{node.lineno} {what}" for node in ast.walk(ast.parse(text)) for what in faults_of(node, path)]


def faults_of(node, path):
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        yield from (m for m in modules if m.split(".")[0] in RUNS_WHAT_IT_LOADS)
        yield from (f"plain jinja2 {a.name}" for a in node.names if "jinja2" in modules and a.name == "Environment")
        yield from ("bare jinja2" for a in node.names if a.name == "jinja2")
        yield from (f"{m}.{a.name}" for m in modules for a in node.names if f"{m}.{a.name}" in WORDS)
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name | ast.Attribute):
            return
        wanted = ("Loader", "shell", "trust_remote_code", "allow_pickle", "gguf_file", "use_safetensors", None)
        given = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg in wanted}
        called = ast.unparse(node.func)
        yield from [called] if called in WORDS or called.rpartition(".")[2] in CALLS else []
        yield from ["another loader"] if called == "yaml.load" and given.get("Loader") not in SAFE_LOADERS else []
        first = [e.value for e in node.args[0].elts if isinstance(e, ast.Constant)] if _is_list(node) else []
        yield from ["a shell"] if {*first[:1]} <= {"sh", "bash"} and "-c" in first and path not in SHELL_ALLOWED else []
        yield from ["a shell"] if given.get("shell", "False") != "False" and path not in SHELL_ALLOWED else []
        yield from ["remote code"] if given.get("trust_remote_code", "False") != "False" else []
        yield from ["np pickles"] if given.get("allow_pickle", "False") != "False" else []
        if ".AutoModel" in f".{called}" and called.endswith(".from_pretrained") and "gguf_file" not in given:
            safe = given.get("use_safetensors") == "True" or given.get(None) == "arguments"
            yield from [] if safe else ["weights of any format"]


def _is_list(call):
    return bool(call.args) and isinstance(call.args[0], ast.List | ast.Tuple)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import pickle", "pickle"),
        ("import jinja2", "bare jinja2"),
        ("from os import system", "os.system"),
        ("from torch import load", "torch.load"),
        ("yaml.load(text, yaml.Loader)", "another loader"),
        ("yaml.load(text, Loader=yaml.UnsafeLoader)", "another loader"),
        ("subprocess.run(['bash', '-c', words])", "a shell"),
        ("asyncio.create_subprocess_shell(words)", "asyncio.create_subprocess_shell"),
        ("subprocess.getoutput(words)", "subprocess.getoutput"),
        ("transformers.AutoModelForCausalLM.from_pretrained(x)", "weights of any format"),
        ("from joblib import load", "joblib"),
        ("from jinja2 import Environment", "plain jinja2 Environment"),
        ("def f(x):\n    return eval(x)", "eval"),
        ("os.system(name)", "os.system"),
        ("subprocess.run(f'ls {name}', shell=True)", "a shell"),
        ("torch.load(path)", "torch.load"),
        ("np.load(path, allow_pickle=True)", "np pickles"),
        ("AutoTokenizer.from_pretrained(x, trust_remote_code=True)", "remote code"),
        ("AutoModelForCausalLM.from_pretrained(x, dtype=d)", "weights of any format"),
        ("yaml.unsafe_load(text)", "yaml.unsafe_load"),
    ],
)
def test_each_way_to_run_what_came_with_data_is_noticed(text, fault):
    assert [f.split(" ", 1)[1] for f in faults(text)] == [fault]


def test_no_source_can_run_code_out_of_a_file():
    assert [f for path in SOURCES for f in faults(path.read_text("utf-8"), str(path.relative_to(ROOT)))] == []


def test_the_arguments_that_the_trainer_loads_its_base_with_want_safetensors():
    assert '"use_safetensors": True' in (ROOT / "tunewright/training/tuning.py").read_text("utf-8")


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [id]", "!!python/name:os.system", "!!python/tuple []"]
)
def test_yaml_makes_no_objects(tmp_path, text):
    for read in (parse_yaml, parse_as_dvc_reads):
        with pytest.raises(YamlFault, match="could not determine a constructor"):
            read(text)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("environment", [prompts._environment, card_text._environment, pages.templates()])
@pytest.mark.parametrize(
    "trick",
    [
        "{{ x.__class__.__mro__ }}", "{{ cycler.__init__.__globals__.os.popen('id').read() }}", "{{ x.append(1) }}",
        "{{ self.__init__.__globals__ }}", "{{ ''.__class__.__base__.__subclasses__() }}",
    ],
)  # fmt: skip
def test_every_template_is_rendered_in_a_sandbox(environment, trick):
    with pytest.raises(Exception, match=r"unsafe|undefined|is undefined|Immutable") as caught:
        print(environment.from_string(trick).render(x=[]))
    assert type(caught.value).__module__ == "jinja2.exceptions"


def test_no_page_marks_text_as_safe_and_no_card_is_a_template_of_data():
    for path in (ROOT / "tunewright").rglob("templates/*"):
        assert not re.search(r"\|\s*safe\b|autoescape false|Markup", path.read_text("utf-8")), path


def test_no_value_of_params_gets_into_a_stages_command():
    """DVC fills ${...} into `cmd` and gives it to a shell: only names from the matrix in dvc.yaml may stand there."""
    for name in ("dvc.yaml", "prep/dvc.yaml"):
        for stage in yaml.safe_load(Path(ROOT / name).read_text("utf-8"))["stages"].values():
            command = stage.get("cmd") or stage["do"]["cmd"]
            assert set(re.findall(r"\$\{(.*?)\}", command)) <= {"item", "key", "item.side"}, command
