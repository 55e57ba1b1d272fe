"""What `tidegate init` prints of a proposal, and writes into params.yaml."""

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tidegate.onboarding.proposal import Proposal
from tidegate.quality.gate_rule import ALL_VARIABLES
from tidegate.quality.suite import Rules
from tidegate.sources.files.compression import stem
from tidegate.workspace.columns import RULE, STATION
from tidegate.workspace.params import edit_params, read_yaml
from tidegate.workspace.paths import PARAMS

SECTION = re.compile(r"^dataset:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
PLAIN = re.compile(r"[A-Za-z_][\w./*-]*$")  # text that YAML reads as itself, in any place; ruamel quotes null and true
MUCH = 0.3  # a tolerance beyond it is said loudly
LONGEST_EXACT = 1e15  # a float below it that is whole is written as a whole number


def remarks(proposal: Proposal) -> list[str]:
    """Describe in a line each what was found besides the variables."""
    dataset, columns = proposal.dataset, proposal.columns
    time = ", ".join(columns.times) or "none: counted from the start"
    station = columns.station or ("each column" if columns.wide else "the file's name")
    lines = [
        f"time      {time}, each {dataset['frequency']}, in {dataset['time_zone']}: {proposal.zone.why}",
        f"station   {station}",
        f"forecast  {', '.join(dataset['targets'])} ({_why(proposal)}) from itself and "
        f"{', '.join(dataset['covariates']) or 'nothing else'}; season {dataset['season_steps']} steps, "
        f"{proposal.season}",
    ]
    lines += [f"left out  {column}: {why}" for column, why in proposal.left_out.items()]
    lines += [f"seen      {note}" for note in proposal.notes]
    for rule, findings in proposal.findings.groupby(RULE, sort=False):
        if rule == "missing" and rule not in proposal.tolerances:
            continue  # the table shows it
        worst = findings.sort_values("found").iloc[-1]
        subject = "" if worst["variable"] == ALL_VARIABLES else f"{worst['variable']} "
        lines.append(
            f"seen      {rule}: {findings['found'].sum():,} at {findings[STATION].nunique()} stations, most of them "
            f"{subject}at {worst[STATION]}, {worst['from']} to {worst['to']} ({worst['examples']})"
        )
    return [*lines, f"expected  {proposal.cost}, for a run on these rows"]


def _why(proposal: Proposal) -> str:
    """Say why a target was chosen, and how to choose another."""
    target = proposal.target
    return target.why + (f"; the runner-up: --target {target.runner_up}" if target.runner_up else "")


def section(proposal: Proposal) -> str:
    """Give the section `dataset` of params.yaml as YAML, with comments."""
    dataset = CommentedMap({name: _node(value) for name, value in proposal.dataset.items() if value != []})
    if "covariates" not in dataset:
        dataset["covariates"] = _node([])
    for name in ("relations", "targets", "covariates", "season_steps"):  # in the order in which they are read
        if name in dataset:
            dataset.move_to_end(name)
    dataset["options"].fa.set_block_style()
    variables = dataset["variables"]
    variables.fa.set_block_style()
    for name, profile in proposal.profiles.items():
        seen = f"{profile.least:g} to {profile.most:g}, median {profile.middle:g}, {profile.missing:.1%} missing"
        variables.yaml_add_eol_comment(seen, name)
    dataset.yaml_add_eol_comment(proposal.zone.why, "time_zone")
    dataset.yaml_add_eol_comment("unit, plausible limits, and signs of a faulty sensor (docs/data.md)", "variables")
    dataset.yaml_add_eol_comment(f"{proposal.target.why}: name another, or several", "targets")
    dataset.yaml_add_eol_comment(proposal.season, "season_steps")
    if left_out := "\n".join(f"{column} is left out: {why}" for column, why in proposal.left_out.items()):
        after_variables = "relations" if "relations" in dataset else "targets"
        dataset.yaml_set_comment_before_after_key(after_variables, before=left_out, indent=2)
    text = io.StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump({"dataset": dataset}, text)
    return text.getvalue()


def _node(value: Any) -> Any:
    """Give a value as YAML that is written in one line."""
    if isinstance(value, str):
        return value if PLAIN.match(value) else DoubleQuotedScalarString(value)
    if isinstance(value, dict):
        mapping = CommentedMap({_node(key): _node(item) for key, item in value.items()})
        mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq(_node(item) for item in value)
        sequence.fa.set_flow_style()
        return sequence
    whole = isinstance(value, float) and value == int(value) and abs(value) < LONGEST_EXACT
    return int(value) if whole else value


def write(proposal: Proposal) -> list[str]:
    """Write the section into params.yaml, and adjust what must go with it; give a line for each adjustment."""
    before = read_yaml(PARAMS).get("dataset", {})
    text = PARAMS.read_text(encoding="utf-8")
    new = section(proposal) + "\n"
    text = SECTION.sub(lambda _: new, text) if SECTION.search(text) else new + text
    with edit_params(text) as content:
        rules = content["validate"].setdefault("rules", {})
        lines = _reset(rules, proposal)
        for rule, (key, value, why) in proposal.tolerances.items():
            if rule not in rules:
                rules[rule] = {"severity": Rules().of(rule).severity}
            rules[rule][key] = value
            rules.yaml_add_eol_comment(f"there: {why}", rule)
            lines.append(f"validate.rules.{rule}.{key} is {value:g} ({why})")
            if key == "tolerance" and value > MUCH:
                lines.append(
                    f"Attention: with it the gate lets much pass. Better leave {_worst(proposal, rule)} out of "
                    "dataset.variables and covariates, and take the line back."
                )
        content["window"] |= proposal.window.changes
        lines += proposal.window.lines
        if _address(before) != _address(proposal.dataset):
            content["register"]["name"] = name = _registry_name(proposal)
            lines.append(f"register.name is {name}: models of another data set are no rivals of this one's")
    return lines


def _worst(proposal: Proposal, rule: str) -> str:
    """Name the variable for which a rule had to be opened."""
    findings = proposal.findings[proposal.findings[RULE] == rule]
    return str(findings.sort_values("share").iloc[-1]["variable"])


def _address(dataset: Any) -> tuple[Any, ...]:
    """Say where a data set comes from."""
    options = dataset.get("options", {})
    return dataset.get("source"), *(str(options.get(key)) for key in ("paths", "url", "table"))


def _registry_name(proposal: Proposal) -> str:
    """Name the registered model after the data: the table, or the file or folder."""
    options = proposal.dataset["options"]
    path = str(options.get("table") or "").rpartition(".")[2] or str(options.get("paths"))
    stems = [stem(part) for part in reversed(re.split(r"[/\\]+", path)) if "*" not in part and part.strip(". ")]
    return re.sub(r"[^\w.-]+", "-", stems[0] if stems else "").strip("-.") or "measurements"


def _reset(rules: Any, proposal: Proposal) -> list[str]:
    """Take back what was tolerated for another data set."""
    lines = []
    for rule, options in rules.items():
        default = Rules().of(rule)
        for key in ("tolerance", "steps"):
            if rule not in proposal.tolerances and options.get(key, 0) > getattr(default, key, 0):
                options[key] = getattr(default, key)
                lines.append(f"validate.rules.{rule}.{key} is {options[key]:g} again")
    return lines
