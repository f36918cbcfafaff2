"""The icon in the panel, its menu, and the drawing both share with the window."""
