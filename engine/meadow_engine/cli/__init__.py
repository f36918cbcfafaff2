"""The command `meadow`: one file for each command, `main.py` chooses, `console.py` speaks.

Modules here import what they need when their command runs, so that `meadow status` answers without torch.
"""
