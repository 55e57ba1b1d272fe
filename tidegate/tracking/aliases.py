"""Who bears an alias, and which candidate a version is: read without MLflow, which takes seconds to be imported.

MLflow is asked where the workspace's own store does not say all of it.
"""

from pathlib import Path

from tidegate.tracking.log_entries import ALIASES, Entry, last_of, read_entries, write_copy
from tidegate.tracking.read_only import CANDIDATE, RegisteredModel, Version, files_in, read_model


def bearer(name: str, alias: str) -> Version | None:
    """Get the version that bears an alias, if one does, once the champion log agrees with the aliases.

    Raises:
        ServiceError: MLflow does not answer.
    """
    model = read_model(name)
    entries = _settled_entries(model) if model else None
    if model is not None and entries is not None:
        write_copy(entries)
        return model.versions[model.aliases[alias]] if alias in model.aliases else None
    from tidegate.tracking import champion_log, registry

    champion_log.look(name)  # what was begun is finished, and what others have changed is entered
    found = registry.bearer(name, alias)
    return Version(name, str(found.version), found.tags) if found else None


def files_of(name: str, number: str) -> tuple[Path, Path]:
    """Give the files of a version: the folder of the model, and the spec of its windows.

    Raises:
        DataError: the store no longer has the files.
        ServiceError: the store does not answer.
    """
    model = read_model(name)
    version = model.versions.get(number) if model else None
    if version and version.folder and (files := files_in(version.folder)):
        return files
    from tidegate.tracking import registry

    return registry.version_files(registry.get_version(name, number))


def candidates_of(name: str) -> dict[str, str]:
    """Give the candidate of each registered version, by its number.

    Raises:
        ServiceError: MLflow does not answer.
    """
    model = read_model(name)
    if model is not None:
        return {number: version.tags.get(CANDIDATE, "?") for number, version in model.versions.items()}
    from tidegate.tracking import registry

    return {number: tags.get(CANDIDATE, "?") for number, tags in registry.tags_of_versions(name).items()}


def _settled_entries(model: RegisteredModel) -> list[Entry] | None:
    """Read the champion log, if nothing needs to be entered, finished or said about it."""
    entries = [entry for entry in read_entries(model.tags).values() if entry is not None and entry.done]
    if len(entries) < len(read_entries(model.tags)):
        return None
    for alias in ALIASES:
        version, last = model.aliases.get(alias, ""), last_of(entries, alias)
        if version != (last.version if last else "") or (version and version not in model.versions):
            return None
    return entries
