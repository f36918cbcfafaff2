"""Finding peers and talking to them: the only room that knows hivemind and libp2p.

`node.py` is one peer with its p2pd child, `directory.py` what peers announce, `records.py` who may announce what,
`background.py` an event loop for programs that have none.
"""
