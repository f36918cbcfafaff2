"""Measurements: what the swarm does beside what local Transformers does, in one run."""
