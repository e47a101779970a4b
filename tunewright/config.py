"""Configuration: composing.py makes params.yaml of conf/, and each stage reads its own typed section of that.

Stages call `load("generate.scores", Config)`; Config is a frozen pydantic model that refuses unknown keys and has no
defaults, so that every value stands in conf/.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tunewright.errors import ConfigError
from tunewright.text_files import read_text
from tunewright.yaml_reading import YamlFault, nodes, parse_yaml

PARAMS = Path("params.yaml")
PREP_PARAMS = Path("prep/params.yaml")  # of the domain that is being drafted
COMPOSE = {PARAMS: "make params", PREP_PARAMS: "tunewright params --prep domain=NAME"}  # what makes each
CONF = Path("conf")
DOMAIN_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
PLAIN = {  # pydantic's words for people
    "a valid dictionary or instance of": "a mapping of keys, a", "a valid dictionary": "a mapping of keys",
    "a valid tuple": "a list", "a valid list": "a list", "a valid integer": "a whole number", "a valid string": "text",
    "a valid boolean": "true or false", "a valid number": "a number",
}  # fmt: skip
NOT_GIVEN = "???"  # OmegaConf's mark for a value that must be given; DVC writes it into params.yaml as it is


class Config(BaseModel):
    """Base of every configuration model: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Bounds(Config):
    """A closed range; None leaves that side open."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Bounds:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"found min {self.min:g} above max {self.max:g}, expected the smaller one first")
        return self

    def holds(self, value: float) -> bool:
        """Whether the value lies within the bounds, with 1e-9 of slack for rounding."""
        low = self.min is None or value >= self.min - 1e-9
        return low and (self.max is None or value <= self.max + 1e-9)

    def __str__(self) -> str:
        if self.min is None:
            return f"at most {self.max:g}" if self.max is not None else "any"
        return f"at least {self.min:g}" if self.max is None else f"{self.min:g} to {self.max:g}"


class Constraints(Config):
    """What a domain demands of the model that it is served by."""

    offline: bool
    open_licence: bool
    deployment_ram_gib: float = Field(gt=0)  # the whole machine's
    train_budget_usd: float = Field(ge=0)


def _inside(path: str) -> str:
    """A path below the project's folder, in nothing hidden: a domain may be somebody else's, and is written to."""
    hidden = any(part.startswith(".") for part in Path(path).parts)  # ".." too
    if not path or path.startswith(("/", "~")) or hidden or not path.isprintable() or "\\" in path:
        raise ValueError(
            f"found {brief(path)}, expected a path inside of the project, relative, no part of which begins with a dot"
        )
    return path


def _design(path: str) -> str:
    """A file that people write a design in, and none that DVC or make runs."""
    if Path(path).suffix not in (".yaml", ".md") or Path(path).name in ("dvc.yaml", PARAMS.name):
        raise ValueError(f"found {brief(path)}, expected a file of a design: .yaml or .md, not {PARAMS} or dvc.yaml")
    return path


ProjectPath = Annotated[str, AfterValidator(_inside)]
DesignFile = Annotated[ProjectPath, AfterValidator(_design)]


class Domain(Config):
    """Where a domain's design lives (params section `domain`)."""

    id: str = Field(pattern=f"^{DOMAIN_NAME.pattern}$")  # folders are named by it
    title: str = Field(min_length=1, max_length=200)
    brief: DesignFile
    frameworks: DesignFile
    taxonomy: DesignFile
    personas: DesignFile
    rubric: DesignFile
    calibration: DesignFile
    planted: DesignFile
    prompts: ProjectPath
    authored: ProjectPath
    imported: ProjectPath
    reviews: ProjectPath
    days_between_exchanges: int = Field(ge=0)
    exemplars_min: int = Field(ge=0)
    smoke_prompt: str
    constraints: Constraints


C = TypeVar("C", bound=BaseModel)


def load(address: str, model: type[C], params: Path = PARAMS) -> C:
    """The section of a params file at a stage's address, as that stage's Config.

    Raises ConfigError that names the key, the line, what was found and what was expected.
    """
    section: Any = read_yaml(params)
    for part in address.split("."):
        if not isinstance(section, dict) or part not in section:
            raise ConfigError(
                f"{params}: no section {address!r}: found none, expected what conf/ composes to; compose it "
                f"again with: {COMPOSE[params]}"
            )
        section = section[part]
    if lacking := next(_not_given(section, [address]), None):
        raise ConfigError(f"{params}: {lacking}: found '{NOT_GIVEN}', expected a value; give it: {COMPOSE[params]}")
    return validate(section, model, params, address)


def _not_given(value: Any, keys: list[str]) -> Iterator[str]:
    """The dotted keys of values that nobody gave."""
    if value == NOT_GIVEN:
        yield ".".join(keys)
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _not_given(below, [*keys, str(key)])


def load_domain(params: Path = PARAMS) -> Domain:
    """The `domain` section of a params file."""
    return load("domain", Domain, params)


def load_file(path: str | Path, model: type[C]) -> C:
    """A whole YAML file (a rubric, a taxonomy) as a typed model."""
    return validate(read_yaml(path), model, Path(path), "")


def validate(value: Any, model: type[C], path: Path, address: str) -> C:
    """Check a YAML value against a model; the first fault becomes a ConfigError with file, line and key."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError(_explain(error, model, path, address)) from None


def read_yaml(path: str | Path) -> Any:
    """Parse a YAML file; raises ConfigError with the line of a syntax error or of a key that stands twice."""
    path = Path(path)
    hint = f"expected what conf/ composes to; compose it with: {COMPOSE[path]}" if path in COMPOSE else ""
    try:
        return parse_yaml(read_text(path, hint))
    except YamlFault as fault:
        where = f"{path}, line {fault.line}" if fault.line else str(path)
        raise ConfigError(f"{where}: not valid YAML: {fault}{_again(path)}") from None


def read_mapping(path: Path) -> dict[Any, Any]:
    """A YAML file that holds keys and values; raises ConfigError for any other."""
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: found {brief(value)}, expected keys and values{_again(path)}")
    return value


def _again(path: Path) -> str:
    return f"; edit conf/ and run: {COMPOSE[path]}" if path in COMPOSE else "; edit it and run: dvc repro"


def _explain(error: ValidationError, model: type[BaseModel], path: Path, address: str) -> str:
    faults = error.errors(include_url=False)
    first = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
    keys = [str(part) for part in first["loc"]]
    dotted = ".".join(([address] if address else []) + keys) or "the file"
    line = line_of(path, (address.split(".") if address else []) + keys)
    where = f"{path}, line {line}" if line else str(path)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{where}: {_what(first, model, dotted)}{more}{_again(path)}"


def _what(fault: Any, model: type[BaseModel], dotted: str) -> str:
    """One fault in words: what was found, and what was expected there."""
    if fault["type"] == "extra_forbidden":
        key, known = str(fault["loc"][-1]), _keys_at(model, fault["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1)
        return f"found unknown key {dotted!r}, expected {repr(near[0]) if near else 'one of: ' + ', '.join(known)}"
    if fault["type"] == "missing":
        there = ", ".join(map(str, list(fault["input"])[:20])) if isinstance(fault["input"], dict) else ""
        return f"{dotted!r} is missing; found {there or 'nothing'}, expected it too"
    if fault["type"] == "value_error":
        return f"{dotted}: {fault['msg'].removeprefix('Value error, ')}"
    wanted = re.sub(r"^\w+ should (be )?", lambda m: "" if m[1] else "it to ", fault["msg"])
    for technical, plain in PLAIN.items():
        wanted = wanted.replace(technical, plain)
    return f"{dotted}: found {brief(fault.get('input'))}, expected {wanted}"


def brief(value: Any) -> str:
    """A value of a file as a message may show it: never the whole of a long one."""
    if isinstance(value, dict | list | tuple):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind} of {len(value)}"
    text = repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 84 else text[:80] + "..."


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that a fault's location leads to, through fields, lists and mappings."""
    found: Any = model
    for part in loc:
        if isinstance(found, type) and issubclass(found, BaseModel) and part in found.model_fields:
            found = _innermost_model(found.model_fields[str(part)].annotation)
    fields = found.model_fields if isinstance(found, type) and issubclass(found, BaseModel) else {}
    return [field.alias or name for name, field in fields.items()]


def _innermost_model(annotation: Any) -> Any:
    """The model inside `tuple[Model, ...]`, `dict[str, Model]`, `Model | None` and the like; None without one."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _innermost_model(a)) is not None), None)


def line_of(path: Path, keys: list[str]) -> int | None:
    """The line (from 1) of a nested key in a YAML file, or of its nearest ancestor that exists."""
    try:
        node = nodes(read_text(path))
    except (ConfigError, YamlFault):
        return None
    line = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == key]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
        else:
            break
    return line
