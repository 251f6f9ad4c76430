# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Run on the machine: makes the two images that runc's tests would download into $1, a
# busybox and a small Debian, of the machine's own programs. tar goes by a file's content,
# not by its name: they stay uncompressed, since each test unpacks one.
set -eu
testdata=$1
tmp=$(mktemp -d)

layout() {
	mkdir -p "$1/bin" "$1/dev" "$1/etc" "$1/home" "$1/lib" "$1/proc" "$1/root" "$1/sys" "$1/tmp" "$1/usr/bin" "$1/usr/sbin" "$1/var/tmp"
	chmod 1777 "$1/tmp" "$1/var/tmp"
	printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$1/etc/passwd"
	printf 'root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnobody:x:65534:\n' >"$1/etc/group"
}

layout "$tmp/busybox"
cp /usr/bin/busybox "$tmp/busybox/bin/busybox"
"$tmp/busybox/bin/busybox" --install "$tmp/busybox/bin"
tar -C "$tmp/busybox" -cf "$testdata/busybox-amd64.tar.xz" .

debian=$tmp/debian
mkdir -p "$debian/usr/bin" "$debian/usr/sbin" "$debian/usr/lib" "$debian/usr/lib64"
for dir in bin sbin lib lib64; do
	ln -s "usr/$dir" "$debian/$dir"
done
cd /usr/bin
cp -L sh bash cat chmod chown chrt cp echo false find findmnt grep head id ionice ls mkdir mount mv readlink rm sed \
	sleep stat tail taskset touch true umount unshare "$debian/usr/bin"
cp -L /usr/sbin/ldconfig "$debian/usr/sbin"
libraries=$(ldd "$debian"/usr/bin/* | grep -o '/lib[^ :]*' | sort -u)
(cd "$debian" && mkdir -p $(dirname $libraries | sort -u | sed 's,^/,,'))
for library in $libraries; do
	cp -L "$library" "$debian$library"
done
layout "$debian"
tar -C "$debian" -cf "$testdata/debian-amd64.tar.xz" .
rm -rf "$tmp"
