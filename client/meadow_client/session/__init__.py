"""Computing through the swarm: tensors to servers and back, sessions with a cache, and remote layers as a module.

`hop.py` is one server, `chain.py` several in a row, `swarm_client.py` finds them; `inference.py` and
`sequential.py` are what programs hold in their hands.
"""
