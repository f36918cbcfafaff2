"""Which layers a server should hold: pure functions of the directory and of this computer's room."""
