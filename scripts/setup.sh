#!/usr/bin/env bash
# Brings a fresh Debian machine with Node and root to where netmill runs: Debian packages that are missing,
# npm packages, builds. Quiet and quick when there is nothing to do.
#
#   scripts/setup.sh          what the build and the demo need
#   scripts/setup.sh --test   also what the tests run against: bird2, frr, iperf3, tcpdump, clang-format, nftables; and DPDK,
#                             without which its tests are skipped
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc g++ make python3 pkg-config libmnl-dev libbpf-dev iproute2 ethtool iputils-ping traceroute xz-utils)
extras=()
if [ "${1:-}" = --test ]; then
	packages+=(bird2 frr iperf3 tcpdump clang-format procps nftables)
	extras+=(libdpdk-dev)
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# step NAME COMMAND…: one line when it works, all of its output when it does not
step() {
	local name=$1 start=$SECONDS log=$logs/${1%% *}
	shift
	if ! "$@" >"$log" 2>&1; then
		printf 'setup: %s failed:\n' "$name" >&2
		cat "$log" >&2
		exit 70
	fi
	if [ $((SECONDS - start)) -ge 2 ]; then printf 'setup: %s (%ss)\n' "$name" $((SECONDS - start)) >&2; fi
}

# lacking PACKAGE…: those that are not installed
lacking() {
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || printf '%s\n' "$package"
	done
}
update() { apt-get -o DPkg::Lock::Timeout=120 update -qq; }
install() { apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "$@"; }
mapfile -t missing < <(lacking "${packages[@]}")
mapfile -t useful < <(lacking "${extras[@]}")
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" != 0 ]; then
	printf 'setup: these Debian packages are missing and installing them needs root: %s\n' "${missing[*]}" >&2
	exit 77
fi
if [ $((${#missing[@]} + ${#useful[@]})) -gt 0 ] && [ "$(id -u)" = 0 ]; then
	export DEBIAN_FRONTEND=noninteractive
	# The routing daemons are only run by tests, in namespaces of their own: they must not start on the machine.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		trap 'rm -rf "$logs" "$policy"' EXIT
	fi
	if [ ${#missing[@]} -gt 0 ]; then
		step 'package lists' update
		step "Debian packages ${missing[*]}" install "${missing[@]}"
	fi
	if [ ${#useful[@]} -gt 0 ] && ! { update && install "${useful[@]}"; } >"$logs/useful" 2>&1; then
		printf 'setup: %s cannot be installed, and what needs it is left out\n' "${useful[*]}" >&2
	fi
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	step 'npm packages' npm ci --no-audit --no-fund
	touch node_modules/.package-lock.json
fi
# None of the builds needs another one's result.
builds=()
step 'TypeScript' npm run -s build:ts & builds+=($!)
step 'engine' npm run -s build:engine & builds+=($!)
step 'addon' npm run -s build:native & builds+=($!)
step 'traffic tool' npm run -s build:traffic & builds+=($!)
for build in "${builds[@]}"; do wait "$build"; done
