"""The first start: what the person chooses, and how it is put in force. Only `desk.py` knows Qt."""
