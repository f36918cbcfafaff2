"""The settings page's widgets."""
