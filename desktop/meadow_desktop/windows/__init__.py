"""What is drawn. Widgets show values made in `chat/` and `tray/`, and report what the person did. GUI thread only."""
