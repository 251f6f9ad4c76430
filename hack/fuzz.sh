#!/usr/bin/env bash
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Runs every fuzz target for a while, one after the other: go test -fuzz takes one
# target of one package at a time.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
readonly root fuzztime=${1:-10s}
cd "$root"

# Asked of the packages that have any, since listing builds a test's whole binary.
mapfile -t dirs < <(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u)
for dir in "${dirs[@]}"; do
	cd "$root/$dir" # some are in a module of their own
	targets=$(go test -list '^Fuzz' . | grep '^Fuzz')
	for target in $targets; do
		echo "fuzz: $dir $target for $fuzztime"
		# Making an input smaller takes a minute by default, which may be all there is.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 5s .
	done
done
[ ${#dirs[@]} -gt 0 ] || echo "fuzz: no targets"
