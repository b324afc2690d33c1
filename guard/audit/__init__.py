"""Floor 7, reading what the trace wrote: verify and query, without the running system."""
