#!/usr/bin/env bash
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Installs the Debian packages that are missing of those that the tests need, or with
# "node" of those that building and running the test node needs. A second run finds nothing
# missing and touches nothing, so that it can stand in front of every target.
set -euo pipefail
readonly what=${1-all}

# command:package pairs: a tool that is there by other means needs no package.
commands=(
	gcc:gcc             # runc is cgo
	pkg-config:pkg-config
	ip:iproute2         # the node brings its loopback up with it
	git:git             # the version of the build
	flock:util-linux
	nsenter:util-linux  # the node lives in namespaces of its own
	mount:mount
)
if [ "$what" = all ]; then
	commands+=(
		systemd-analyze:systemd # the properties of nodegate render systemd
		qemu-system-x86_64:qemu-system-x86 # the tests' machines, and what they are made by:
		qemu-img:qemu-utils
		mke2fs:e2fsprogs
		setpriv:util-linux
		zstd:zstd
		xz:xz-utils
	)
fi

missing=()
for pair in "${commands[@]}"; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
done

# It makes the images of hack/images, which needs Debian's packages.
if command -v apt-get >/dev/null 2>&1 && ! command -v mmdebstrap >/dev/null 2>&1; then
	missing+=(mmdebstrap)
fi
# A minimal gcc comes without the C library's headers.
if [ ! -e /usr/include/stdlib.h ]; then
	missing+=(libc6-dev)
fi
if [ ! -e /usr/include/seccomp.h ]; then
	missing+=(libseccomp-dev)
fi
# The script of nodegate completion bash needs it.
if [ "$what" = all ] && [ ! -e /usr/share/bash-completion/bash_completion ]; then
	missing+=(bash-completion)
fi
# The Go module proxy is spoken to by TLS.
if [ ! -e /etc/ssl/certs/ca-certificates.crt ] && [ ! -e /etc/pki/tls/certs/ca-bundle.crt ]; then
	missing+=(ca-certificates)
fi

# download_promtool gets the package that has promtool: one of its own from Debian 13 on,
# prometheus before. The lists may have to be fetched first.
download_promtool() {
	apt-get download -q promtool || apt-get download -q prometheus ||
		{ apt-get update -q && { apt-get download -q promtool || apt-get download -q prometheus; }; }
}

# The package prometheus starts a server when it is installed, and the tests only
# want one program of it: it is unpacked, and not installed.
unpack_promtool() {
	local bin tmp
	[ "$what" = all ] || return 0
	bin=$(cd "$(dirname "$0")/.." && pwd)/bin/promtool
	if [ -x "$bin" ] || type -P promtool >/dev/null 2>&1; then
		return
	fi
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "deps: missing: promtool, and there is no apt-get here; put it into PATH by hand" >&2
		exit 1
	fi
	echo "deps: unpacking promtool"
	tmp=$(mktemp -d)
	# apt-get's own user has to write there.
	chmod 755 "$tmp"
	(cd "$tmp" && download_promtool) </dev/null >/dev/null 2>&1 || { echo "deps: apt-get download promtool failed" >&2; exit 1; }
	dpkg-deb --fsys-tarfile "$tmp"/*.deb | tar -xO ./usr/bin/promtool >"$tmp/promtool"
	mkdir -p "$(dirname "$bin")"
	install -m 0755 "$tmp/promtool" "$bin"
	rm -rf "$tmp"
}

if [ ${#missing[@]} -eq 0 ]; then
	unpack_promtool
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "deps: missing: ${missing[*]} (Debian's names), and there is no apt-get here; install them by hand" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: missing: ${missing[*]}; run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi

echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null >/dev/null
apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
unpack_promtool
