"""What programs beside the engine (the desktop, scripts) need to talk to it: values only, no behaviour.

Pydantic, platformdirs and the standard library; nothing here imports torch, hivemind or the engine itself.
"""
