"""The OpenAI-compatible server: `/v1/models`, `/v1/chat/completions`, `/v1/completions`.

`app.py` speaks HTTP, `schema.py` says what requests look like, `security.py` who may ask; `models/answering.py`
computes the answers.
"""
