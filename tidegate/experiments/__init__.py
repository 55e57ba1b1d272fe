"""Experiments outside the pipeline: tuning, backtests, classification of whole sequences."""
