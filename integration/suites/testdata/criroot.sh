# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Makes the root file system of all images that others' tests pull into $1: the busybox of
# the image $3 (hack/images), what that has not, the program $2, and more at the top. Hard
# links, as in busybox's own image: a mask over /bin/ls hides that one only.
set -eu
root=$1 helper=$2 image=$3
shift 3
mkdir -p "$root/bin" "$root/etc" "$root/home" "$root/root" "$root/tmp" "$root/var/run"
chmod 1777 "$root/tmp"
layer=$(tar -xOf "$image" manifest.json | sed -n 's/.*"Layers":\["\([^"]*\)".*/\1/p')
tar -xOf "$image" "$layer" | tar -xO ./usr/bin/busybox >"$root/bin/busybox"
chmod 755 "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
	[ "$applet" = busybox ] || ln "$root/bin/busybox" "$root/bin/$applet"
done
install -m 4755 "$helper" "$root/bin/euid"
install "$helper" "$root/bin/nginx"
for more; do
	install "$more" "$root/"
done
[ ! -e "$root/agnhost" ] || ln "$root/agnhost" "$root/agnhost-2"

cat >"$root/etc/passwd" <<'EOF'
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/home:/bin/false
default-user:x:1000:1000::/home:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
EOF
cat >"$root/etc/group" <<'EOF'
root:x:0:
www-data:x:33:
default-user:x:1000:
group-defined-in-image:x:50000:default-user
nobody:x:65534:
EOF

program() {
	cat >"$root/bin/$1"
	chmod 755 "$root/bin/$1"
}
program pgrep <<'EOF'
#!/bin/sh
exec pidof "$1"
EOF
program ipcs <<'EOF'
#!/bin/sh
exec cat /proc/sysvipc/shm
EOF
