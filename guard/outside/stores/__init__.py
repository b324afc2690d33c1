"""Floor 4, embedded stores: what must be the same in every process, and still be there after a `kill -9`."""
