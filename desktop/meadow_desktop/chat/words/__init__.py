"""What a conversation looks like in words and switches; the widgets of `windows/chat/` only draw this. Pure."""
