"""The engine: one process that hosts layer spans, serves the local HTTP API and is the command `meadow`."""
