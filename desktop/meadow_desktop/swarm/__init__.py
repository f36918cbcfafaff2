"""The swarm as the person sees it: values and words. Nothing here draws; only `desk.py` knows Qt."""
