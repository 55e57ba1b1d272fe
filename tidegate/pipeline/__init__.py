"""Run the graph of dvc.yaml: its order, locks, other machines, and what the user sees."""
