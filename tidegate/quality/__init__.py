"""The data gate: its rules, what they find, and what is held back in quarantine."""
