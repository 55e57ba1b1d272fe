"""Several of Prefect's commands in one process: its imports take longer than what most of them do.

python -m flows.commands "work-pool ls" "deployment ls"
"""

import shlex
import sys

from prefect.cli import app


def main() -> None:
    """Run each argument as a command; stop at the first that fails."""
    for command in sys.argv[1:]:
        sys.argv = ["prefect", *shlex.split(command)]
        try:
            app()
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    main()
