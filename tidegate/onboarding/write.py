"""What `tidegate init` says and writes of a proposal."""

import json
import re
from typing import Any

from tidegate.onboarding.proposal import Proposal
from tidegate.quality.findings import ALL_VARIABLES
from tidegate.workspace.columns import RULE, STATION
from tidegate.workspace.params import edit_params
from tidegate.workspace.paths import PARAMS
from tidegate.workspace.settings import Rules


def remarks(proposal: Proposal) -> list[str]:
    """Say in a line each what was found besides the variables."""
    own, columns = proposal.dataset, proposal.columns
    time = columns.time if isinstance(columns.time, str) else ", ".join(columns.time)
    station = columns.station or ("each column" if columns.wide else "the file's name")
    said = [
        f"time      {time}, each {own['frequency']}, in {own['time_zone']}: {proposal.clock.why}",
        f"station   {station}",
        f"forecast  {', '.join(own['targets'])} from itself and {', '.join(own['covariates']) or 'nothing else'}; "
        f"season {own['season_steps']} steps, {proposal.season}",
    ]
    said += [f"left out  {column}: {why}" for column, why in proposal.left_out.items()]
    said += [f"seen      {note}" for note in proposal.notes]
    for rule, part in proposal.findings.groupby(RULE, sort=False):
        if rule == "missing" and rule not in proposal.tolerances:
            continue  # the table shows it
        worst = part.sort_values("found").iloc[-1]
        what = "" if worst["variable"] == ALL_VARIABLES else f"{worst['variable']} "
        said.append(
            f"seen      {rule}: {part['found'].sum():,} at {part[STATION].nunique()} stations, most of them "
            f"{what}at {worst[STATION]}, {worst['from']} to {worst['to']} ({worst['examples']})"
        )
    return said


def section(proposal: Proposal) -> str:
    """Write the section `dataset` of params.yaml, with comments."""
    own = proposal.dataset
    lines = ["dataset:", f"  source: {own['source']}", "  options:"]
    lines += [f"    {key}: {_yaml(value)}" for key, value in own["options"].items()]
    lines += [
        f"  frequency: {own['frequency']}",
        f"  time_zone: {own['time_zone']}    # {proposal.clock.why}",
        "  variables:    # unit, plausible limits, and what betrays a faulty sensor (docs/data.md)",
    ]
    for name, given in own["variables"].items():
        found = proposal.measured[name]
        seen = f"{found.least:g} to {found.most:g}, median {found.middle:g}, {found.missing:.1%} missing"
        lines.append(f"    {_yaml(name)}: {_yaml(given)}    # {seen}")
    lines += [f"    # {_yaml(column)} is left out: {why}" for column, why in proposal.left_out.items()]
    if own.get("relations"):
        lines.append(f"  relations: {_yaml(own['relations'])}")
    lines += [
        f"  targets: {_yaml(own['targets'])}    # the likeliest: name another, or several",
        f"  covariates: {_yaml(own['covariates'])}",
        f"  season_steps: {own['season_steps']}    # {proposal.season}",
    ]
    return "\n".join(lines) + "\n"


PLAIN = re.compile(r"^[A-Za-z_][\w./*-]*$")
WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def _yaml(value: Any) -> str:
    """Write a value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str):
        plain = PLAIN.match(value) and value.lower() not in WORDS
        return value if plain else json.dumps(value, ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) and value == int(value) and abs(value) < 1e15 else repr(value)


def _reset(rules: Any, proposal: Proposal) -> list[str]:
    """Take back what was tolerated of another data set."""
    said = []
    for rule, own in rules.items():
        usual = Rules().of(rule)
        for key in ("tolerance", "steps"):
            if rule not in proposal.tolerances and own.get(key, 0) > getattr(usual, key, 0):
                own[key] = getattr(usual, key)
                said.append(f"validate.rules.{rule}.{key} is {own[key]:g} again")
    return said


def write(proposal: Proposal) -> list[str]:
    """Put the section into params.yaml, and fit what must fit it; the rest stays. Say what else was changed."""
    text = PARAMS.read_text(encoding="utf-8")
    own = re.compile(r"^dataset:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
    text = own.sub(lambda _: section(proposal) + "\n", text) if own.search(text) else section(proposal) + "\n" + text
    with edit_params(text) as content:
        said = [*_reset(content["validate"].setdefault("rules", {}), proposal)]
        for rule, (key, value, why) in proposal.tolerances.items():
            known = content["validate"].setdefault("rules", {})
            if rule not in known:
                known[rule] = {"severity": Rules().of(rule).severity}
            known[rule][key] = value
            known.yaml_add_eol_comment(f"there: {why}", rule)
            said.append(f"validate.rules.{rule}.{key} is {value:g} ({why})")
        season, window = proposal.dataset["season_steps"], content["window"]
        if window["lookback_steps"] < season:
            window["lookback_steps"] = season
            said.append(f"window.lookback_steps is {season}, a season")
    return said
