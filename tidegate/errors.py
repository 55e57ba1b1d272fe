"""The errors, and who can correct them.

    TidegateError          a fault of the program or of a service (exit code 1)
    ├── StageFailed        a stage's own command ended with an error
    ├── ServiceError       a server did not start or does not answer
    │   └── RecordRefused  a server answers, and will never take this
    └── UserError          something that the user can correct (exit code 2)
        ├── SettingsError  params.yaml: an unknown key, a wrong type, a value out of range
        ├── SourceError    a file or source that cannot be read as it is described
        ├── DataError      rows that cannot be used as they are
        └── GateClosed     a gate refused: the message has the rule, the rows and what to do

Every message is one clear sentence: what is wrong, where, and what to do.
"""

import errno
import re

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # errno of an OSError
URL_ACCOUNT = re.compile(r"(?<=://)[^/@\s]+@")


class TidegateError(Exception):
    """A fault of the program or of a service it needs."""

    exit_code = 1


class StageFailed(TidegateError):
    """A stage's own command ended with an error."""


class ServiceError(TidegateError):
    """A server did not start, or does not answer."""


class RecordRefused(ServiceError):
    """A server answers, and refuses for good what it was asked."""


class UserError(TidegateError):
    """Something that the user can correct."""

    exit_code = 2


class SettingsError(UserError):
    """params.yaml holds an unknown key, a wrong type or a value out of range."""


class SourceError(UserError):
    """A file or source cannot be read as params.yaml describes it."""


class DataError(UserError):
    """The rows cannot be used as they are."""


class GateClosed(UserError):
    """A gate refused to let the data, the windows or the model pass."""


def one_line(error: BaseException) -> str:
    """Give the message of a library's error in one line and without a full stop, to be used within a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def without_secrets(text: str) -> str:
    """Hide user names and passwords in the addresses of a message."""
    return URL_ACCOUNT.sub("***@", text)
