#!/usr/bin/env bash
# Builds the addon when one of its sources is newer than it. Node's headers are taken from beside the node that
# runs; where it came without them, node-gyp gets them in its own way.
set -euo pipefail
cd "$(dirname "$0")/.."
addon=runtime/native/build/Release/netmill.node
if [ -e "$addon" ] && [ -z "$(find runtime/native runtime/shm runtime/engine/include -newer "$addon" -type f \
	! -path '*/build/*' -print -quit)" ]; then
	exit 0
fi
prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
headers=()
[ -e "$prefix/include/node/node_api.h" ] && headers=(--nodedir="$prefix")
JOBS=max npx --no-install node-gyp --directory=runtime/native --loglevel=error "${headers[@]}" configure build
