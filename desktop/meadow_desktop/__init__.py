"""The desktop: tray and chat window. A program of its own that speaks HTTP to the engine."""
