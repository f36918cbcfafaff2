"""Conversations on disk: one SQLite file, the layouts it has had, and files for export. Nothing here knows Qt."""
