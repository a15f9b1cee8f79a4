#!/usr/bin/env bash
# Everything that must hold before a commit: types and build (the set-up), format, lint, tests.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh --test
npx --no-install biome ci --colors=off .
git ls-files '*.c' '*.h' '*.cc' ':!generated' | xargs clang-format --dry-run --Werror
npm run -s build:bench
exec node dist/tests/run.js
