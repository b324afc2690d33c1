"""Floor 5, the record: spans, the durable ledger, the OTLP copy."""
