"""Floor 2, the shapes of the wire: pure readers and writers of bodies, streams and refusals."""
