"""The swarm page: who holds which layers of which model."""
