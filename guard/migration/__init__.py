"""Find what of the API's past a code base still says. It reads source text; nothing of it is ever run."""
