#!/usr/bin/env bash
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Builds Debian systems into bin/images/NAME.tar, as images that containerd imports:
#
#   images.sh           all of hack/images
#   images.sh NAME...   these
#
# hack/images/NAME.packages lists what is in one beside Debian's minimal system; NAME.sh,
# where there is one, runs in it at the end. The packages come from where this machine's
# own apt has them, as root.
#
# mmdebstrap, not debootstrap: it resolves the whole list by apt, from several sources
# (Debian's security updates too), in one go.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
readonly root bin=$root/bin lists=$root/hack/images

# sources prints the machine's apt sources of its own distribution.
sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
		awk -v id="$1" 'tolower($NF) == id { $NF = ""; print }' | sort -u
}

# No documentation, and no device nodes: a container's /dev is the runtime's.
options=(--quiet --mode=root --variant=minbase --skip=output/dev --dpkgopt=force-unsafe-io)
for path in doc info locale man; do
	options+=(--dpkgopt="path-exclude=/usr/share/$path/*")
done
. /etc/os-release

# build NAME builds one image unless its stamp says that it is built already.
build() {
	local name=$1 stamp=$bin/.stamps/image-$1 list=$lists/$1.packages want packages dir proxy started=$SECONDS
	local script=$lists/$1.sh more=()
	if [ ! -f "$list" ]; then
		echo "images: no $name.packages in hack/images" >&2
		exit 1
	fi
	packages=$(sed 's/#.*//' "$list" | xargs | tr ' ' ,)
	[ ! -f "$script" ] || more+=(--customize-hook="chroot \"\$1\" sh -eu <'$script'")
	want=$(
		echo "${ID-} ${VERSION_CODENAME-} $packages ${options[*]}"
		[ ! -f "$script" ] || cat "$script"
		sha256sum <"$root/hack/image/main.go"
	)
	# Two makes at the same time build it once.
	exec 9>"$stamp.lock"
	flock 9
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && [ -f "$bin/images/$name.tar" ]; then
		return
	fi
	for program in apt-get mmdebstrap; do
		if ! command -v "$program" >/dev/null 2>&1; then
			echo "images: $name is made of Debian's packages, and there is no $program here: use a Debian machine" >&2
			exit 1
		fi
	done
	if [ "$(id -u)" -ne 0 ]; then
		echo "images: $name is not built, and only root can; run make images as root" >&2
		exit 1
	fi
	echo "images: building $name (a Debian system, once: a minute or two)"
	[ -n "$(sources "$ID")" ] || apt-get update -q </dev/null >/dev/null
	rm -rf "$bin/images/.$name".*
	dir=$(mktemp -d "$bin/images/.$name.XXXXXX")
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	sources "$ID" | nice mmdebstrap "${options[@]}" "${more[@]}" ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
		--include="$packages" "$VERSION_CODENAME" "$dir/root.tar" - 9>&-
	(cd "$root" && CGO_ENABLED=0 go run -buildvcs=false ./hack/image "$name" "$dir/root.tar" "$dir/image.tar" 9>&-)
	mv -f "$dir/image.tar" "$bin/images/$name.tar"
	rm -rf "$dir"
	echo "$want" >"$stamp"
	echo "images: built $name in $((SECONDS - started)) s"
}

mkdir -p "$bin/.stamps" "$bin/images"
if [ $# -eq 0 ]; then
	for list in "$lists"/*.packages; do
		set -- "$@" "$(basename "$list" .packages)"
	done
fi
for name in "$@"; do
	build "$name"
done
