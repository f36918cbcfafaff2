"""The chat page: conversations, messages, and where the person writes."""
