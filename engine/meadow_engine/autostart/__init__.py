"""Meadow starts by itself when this person logs in: off until asked for, in whichever way this system has for it."""
