"""Answering peers: one task for each stream that a client opens."""
