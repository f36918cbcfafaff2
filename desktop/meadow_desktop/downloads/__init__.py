"""Model files on their way: what is shown of them, and what the person may do."""
