"""What this computer gave and took: values and words. Nothing here draws; only `desk.py` knows Qt."""
