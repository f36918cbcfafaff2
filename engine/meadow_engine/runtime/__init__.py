"""Computing a span on this computer's device: the compute thread, the span, its sessions' caches."""
