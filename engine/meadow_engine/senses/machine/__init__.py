"""What this computer is doing beside its graphics cards: load, programs, screen, power, network, heat and room."""
