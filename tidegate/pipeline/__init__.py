"""The graph of dvc.yaml as DVC sees it, and what drives it: order, locks, other machines, what the user sees."""
