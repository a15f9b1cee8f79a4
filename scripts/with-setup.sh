#!/usr/bin/env bash
# with-setup.sh [--test] COMMAND…: set up, then become COMMAND.
set -euo pipefail
cd "$(dirname "$0")/.."
flags=()
if [ "${1:-}" = --test ]; then
	flags=(--test)
	shift
fi
bash scripts/setup.sh "${flags[@]}"
exec "$@"
