#!/bin/sh
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# What Kubernetes' tests ask of systemd, on a node that has none: of one unit, the kubelet.
# It starts again with what they have written as its configuration where they run.
set -eu
kubelet='/kubernetes kubelet '
case $1 in
list-units)
	echo "kubelet-tests.service loaded active running"
	;;
kill | restart)
	if pid=$(pgrep -f "$kubelet"); then
		tr '\0' '\n' <"/proc/$pid/cmdline" >/run/kubelet.arguments
		kill "$pid"
		while pgrep -f "$kubelet" >/dev/null; do
			sleep 0.1
		done
	fi
	[ "$1" = restart ] || exit 0
	set --
	while read -r argument; do
		case $argument in
		--config=*) [ ! -e kubelet-config ] || argument=--config=$PWD/kubelet-config ;;
		esac
		set -- "$@" "$argument"
	done </run/kubelet.arguments
	setsid "$@" </dev/null >>/var/log/kubelet.log 2>&1 &
	;;
reset-failed) ;;
*)
	echo "systemctl: no $1 on this node" >&2
	exit 1
	;;
esac
