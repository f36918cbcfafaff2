"""Hosting in a process of its own: when it ends, all of its memory is free, on the graphics card too."""
