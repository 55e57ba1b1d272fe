"""The site's reference: each key of params.yaml and each command of the command line stands in it."""

import re

from docs import reference

PARAMS = reference.params_page()
ROWS = dict(re.findall(r"^\| `([^`]+)` \|.*\| ([^|]*) \|$", PARAMS, flags=re.MULTILINE))


def test_every_key_of_params_is_in_the_reference() -> None:
    shown = {key.rsplit(".", 1)[-1] for key in ROWS}
    sections = set(re.findall(r"^## `(\w+)", PARAMS, flags=re.MULTILINE))
    assert reference.keys() - shown - sections == set()


def test_every_key_says_what_it_is() -> None:
    assert [key for key, what in ROWS.items() if not what.strip()] == []


def test_every_command_is_in_the_reference_with_its_options() -> None:
    page = reference.commands_page()
    for words, command in reference.commands():
        assert f"## {' '.join(words)}\n" in page
        for option in (name for parameter in command.params for name in parameter.opts if name.startswith("--")):
            assert option in page
    assert "## tidegate quarantine release" in page and "replay-days" not in page


def test_every_public_expectation_is_in_the_reference_with_what_it_expects() -> None:
    from tidegate import expectations

    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \| .* \|$", reference.expectations_page(), flags=re.MULTILINE))
    assert list(rows) == expectations.__all__ and all(rows.values())
