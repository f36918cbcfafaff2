"""The settings page without its widgets: what it says, and who asks the engine."""
