"""Conversations: values, decisions and the files they are kept in. Nothing here draws; only `desk.py` knows Qt."""
