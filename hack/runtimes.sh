#!/usr/bin/env bash
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Builds the pinned tools of hack/pins into bin/:
#
#   runtimes.sh               containerd's default version, runc and the CNI plugins
#   runtimes.sh all           these, every other version of containerd, BuildKit,
#                             Kubernetes with Helm, what stands in for k3s, and gotestsum
#   runtimes.sh NAME...       the pins of these names, e.g. golangci-lint
#
# A pin is a folder with a go.mod of its own whose tool directives name what is
# built, so that none of these dependencies reaches the product's go.mod.
# A pin named containerd-VERSION or kubernetes-VERSION goes to a folder of that name in
# bin/, so that several versions stand side by side; to add one, add a folder.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
readonly root bin=$root/bin pins=$root/hack/pins
readonly defaults=(containerd-2.4.2 runc cni)

# target DIR prints the folder under bin/ that a pin's programs go to.
target() {
	case $1 in
	containerd-* | kubernetes-*) echo "$bin/$1" ;;
	cni) echo "$bin/cni" ;;
	*) echo "$bin" ;;
	esac
}

# flags PIN fills build_flags, cgo and sources for it.
flags() {
	local ldflags="-s -w" tags=""
	cgo=0 sources=("$pins/$1")
	case $1 in
	runc)
		# libseccomp is a C library; without the tag runc ignores a
		# container's seccomp profile.
		cgo=1 tags=seccomp
		;;
	kubernetes*)
		# Components compare versions with each other by this variable.
		ldflags="$ldflags -X k8s.io/component-base/version.gitVersion=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$pins/$1/go.mod")"
		tags=osusergo,netgo
		# Another version is the same program, with versions of its own.
		[ "$1" = kubernetes ] || sources+=("$pins/kubernetes/main.go")
		;;
	containerd-* | k3s)
		# NRI plugins learn the runtime's version from this variable; a module
		# build would say "2.4.2+unknown", which no release says.
		# version.Package is the module's path in every line of releases, v1 too.
		local module
		module=$(awk '$1 ~ /^github.com\/containerd\/containerd(\/v2)?\/cmd\/containerd$/ || $2 ~ /^github.com\/containerd\/containerd(\/v2)?\/cmd\/containerd$/ {
			sub(/\/cmd\/containerd$/, "", $NF); print $NF; exit }' "$pins/$1/go.mod")
		local version=v${1#containerd-}
		if [ "$1" = k3s ]; then # is a containerd as well
			module=github.com/containerd/containerd/v2
			version=$(awk -v m="$module" '$1 == m { print $2 "-k3s1"; exit }' "$pins/$1/go.mod")
		fi
		ldflags="$ldflags -X $module/version.Version=$version"
		# Snapshotters that are not used, and NRI plugins as WebAssembly: a third of the build.
		tags=no_btrfs,no_zfs,no_devmapper,no_aufs,nri_no_wasm,osusergo,netgo,static_build
		;;
	esac
	build_flags=(-trimpath -buildvcs=false -ldflags "$ldflags" -tags "$tags")
}

# build PIN builds one pin unless its stamp says that it is built already.
build() {
	local pin=$1 dest out stamp want started=$SECONDS
	if [ ! -f "$pins/$pin/go.mod" ]; then
		echo "runtimes: no pin $pin in hack/pins" >&2
		exit 1
	fi
	dest=$(target "$pin")
	stamp=$bin/.stamps/$pin
	flags "$pin"
	want=$(
		find "${sources[@]}" -type f | sort | xargs cat | sha256sum
		go env GOVERSION GOARCH
		echo "$cgo ${build_flags[*]}"
	)
	# Two makes at the same time build it once, and one does not wait for what the
	# other alone needs.
	exec 9>"$stamp.lock"
	flock 9
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
		return
	fi
	echo "runtimes: building $pin"
	rm -rf "$bin/.build.$pin".*
	out=$(mktemp -d "$bin/.build.$pin.XXXXXX")
	# "tool" is the pattern for all of go.mod's tool directives.
	(cd "$pins/$pin" && CGO_ENABLED=$cgo GOWORK=off GOFLAGS=-mod=readonly \
		nice go build "${build_flags[@]}" -o "$out/" tool)
	mkdir -p "$dest"
	# A rename replaces a program that is running; a copy would fail.
	mv -f "$out"/* "$dest/"
	rmdir "$out"
	echo "$want" >"$stamp"
	echo "runtimes: built $pin in $((SECONDS - started)) s"
}

mkdir -p "$bin/.stamps"
case ${1-} in
"") set -- "${defaults[@]}" ;;
all)
	set -- "${defaults[@]}" buildkit kubernetes k3s gotestsum
	for dir in "$pins"/containerd-*/; do
		pin=$(basename "$dir")
		[ "$pin" = "${defaults[0]}" ] || set -- "$@" "$pin"
	done
	;;
esac
# One after the other: go build uses all cores by itself, and a link of each at
# once takes more memory than a small machine has.
for pin in "$@"; do
	build "$pin"
done
