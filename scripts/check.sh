#!/usr/bin/env bash
# Everything that must hold before a commit: format, lint, types, build, tests.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh --test
npx --no-install biome ci --colors=off .
git ls-files '*.c' '*.h' '*.cc' ':!generated' | xargs clang-format --dry-run --Werror
npx --no-install tsc -p tsconfig.json --noEmit
exec node dist/tests/run.js
