# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Runs an emulator, "$@", for as long as whoever started this has the other end of its
# standard input open, and removes the emulator's folder, $0, at the end: also when the
# test was killed. The emulator ends with this process, however that ends.
#
# The shell says that the emulator was killed, to somebody who may be gone.
trap '' PIPE
exec 3<&0 </dev/null
setpriv --pdeathsig KILL "$@" 3<&- &
emulator=$!
(
	read -r _ <&3
	kill -KILL "$emulator"
) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$emulator"
code=$?
rm -rf "$0"
kill "$watcher" 2>/dev/null
exit "$code"
