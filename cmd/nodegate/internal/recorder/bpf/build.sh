#!/usr/bin/env bash
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Compiles learn.bpf.c to the file given. The result is the same wherever it is done with
# the same clang, 14.0.6 of Debian 12, and its libbpf-dev.
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")"
clang-14 -g -O2 -Wall -Werror -target bpfel -mcpu=v3 -fdebug-compilation-dir=. -c learn.bpf.c -o "$out"
llvm-strip-14 --strip-debug "$out"
