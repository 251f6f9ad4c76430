// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limit prints a resource limit as SOFT:HARD, of the container's first process and
// of this one, which the runtime starts later.
func limit(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	which, ok := map[string]int{"memlock": unix.RLIMIT_MEMLOCK, "nofile": unix.RLIMIT_NOFILE, "core": unix.RLIMIT_CORE}[args[0]]
	if !ok {
		return "", usageError("limit takes memlock, nofile or core")
	}
	var texts []string
	for _, pid := range []int{1, 0} {
		var r unix.Rlimit
		if err := unix.Prlimit(pid, which, nil, &r); err != nil {
			return "", err
		}
		texts = append(texts, limitText(r.Cur)+":"+limitText(r.Max))
	}
	if texts[0] != texts[1] {
		return texts[0] + " and " + texts[1], nil
	}
	return texts[0], nil
}

func limitText(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// size prints how many bytes a file system holds.
func size(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(args[0], &st); err != nil {
		return "", err
	}
	return fmt.Sprint(int64(st.Blocks) * int64(st.Bsize)), nil //nolint:unconvert // 32 bits wide on 386
}
