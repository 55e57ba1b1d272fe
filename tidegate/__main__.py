"""`python -m tidegate`: what dvc.yaml calls."""

from tidegate.cli import main

main()
