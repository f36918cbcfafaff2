"""What peers say to each other: messages, frames, tensors as bytes, and the checks on all of them.

No sockets and no torch: a frame is read from anything with `readexactly` and written to bytes.
"""
