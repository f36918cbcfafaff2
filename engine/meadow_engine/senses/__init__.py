"""What this computer and the person at it are doing, from whatever this system offers to tell."""
