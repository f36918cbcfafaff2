"""What other programs do with the graphics cards, from whatever each maker's driver tells."""
