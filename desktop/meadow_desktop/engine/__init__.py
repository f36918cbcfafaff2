"""How the desktop finds, starts and speaks to the engine. Sockets and processes live here and nowhere else."""
