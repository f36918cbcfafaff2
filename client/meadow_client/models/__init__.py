"""Models: describing one from its files, cutting it in spans, and the client's end of it.

A span, and the client's end, are the model's own Transformers class with fewer layers; nothing in here knows
the name of an architecture.
"""
