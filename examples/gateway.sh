#!/bin/sh
# The gateway for every OpenAI client, in any language: point OPENAI_BASE_URL at http://127.0.0.1:8080/v1.
# UPSTREAM is any OpenAI-compatible API; its key is GUARD_UPSTREAM_KEY, else OPENAI_API_KEY, else the caller's own.
exec guard serve --policy "$(dirname "$0")/policy.yaml" --port "${PORT:-8080}" \
  --upstream "${UPSTREAM:-https://api.openai.com/v1}"
