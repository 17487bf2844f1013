#!/bin/sh
# Put the secrets that `make_secrets.py` made into the environment, then run the command.
set -eu
if [ -n "${SECRETS_FILE:-}" ]; then
  # shellcheck disable=SC1090
  . "$SECRETS_FILE"
fi
exec "$@"
