"""Which servers make a chain: pure functions of what the directory says. No torch, no sockets, no clock."""
