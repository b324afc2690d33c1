"""Floor 7, the three ways in: an ASGI middleware, an HTTP transport for the SDK, the gateway. Thin."""
