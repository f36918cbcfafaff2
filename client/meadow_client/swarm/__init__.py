"""Finding peers and talking to them: the only room that knows hivemind and libp2p.

`node.py` is one peer that stays in its swarm, `link.py` the p2pd child and the DHT node it has at the moment,
`membership.py` whom it calls, `listening.py` where it is called. `directory.py` is what peers announce, `publishing.py`
where they put it, `records.py` who may announce what, `storage.py` what a DHT node takes from others.
`background.py` is an event loop for programs that have none.
"""
