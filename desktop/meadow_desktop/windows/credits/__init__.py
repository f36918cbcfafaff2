"""The credits page: balance, days as a plot, and every count as a table."""
