// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	_ "embed"
	"slices"
	"strings"
)

// The names of system calls of every architecture of Linux that Go knows, one a line; a
// test writes them from golang.org/x/sys.
//
//go:embed syscalls.txt
var syscallNames string

func knownSyscall(name string) bool {
	return strings.HasPrefix(syscallNames, name+"\n") || strings.Contains(syscallNames, "\n"+name+"\n")
}

// nearSyscall is the name that a slip of one letter made another of; "" for none.
func nearSyscall(name string) string {
	for _, have := range strings.Fields(syscallNames) {
		if oneSlip(name, have) {
			return have
		}
	}
	return ""
}

// oneSlip reports whether one letter more, less or other makes a of b, or two that
// changed places.
func oneSlip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 0:
		swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		return i < len(a) && (a[i+1:] == b[i+1:] || swapped)
	case 1:
		return a[i:] == b[i+1:]
	}
	return false
}

// sameAs names, for a call that is denied, what else would do: newer forms of it, and
// socketcall and ipc, by which 32-bit programs reach sockets and System V IPC.
var sameAs = map[string][]string{
	"mknod":           {"mknodat"},
	"mknodat":         {"mknod"},
	"open":            {"openat", "openat2"},
	"openat":          {"open", "openat2"},
	"openat2":         {"open", "openat"},
	"chmod":           {"fchmodat", "fchmodat2"},
	"fchmodat":        {"chmod", "fchmodat2"},
	"chown":           {"lchown", "fchownat"},
	"lchown":          {"fchownat"},
	"fchownat":        {"chown", "lchown"},
	"link":            {"linkat"},
	"linkat":          {"link"},
	"symlink":         {"symlinkat"},
	"symlinkat":       {"symlink"},
	"clone":           {"clone3"},
	"mount":           {"fsmount", "move_mount"},
	"init_module":     {"finit_module"},
	"finit_module":    {"init_module"},
	"kexec_load":      {"kexec_file_load"},
	"kexec_file_load": {"kexec_load"},
	"socket":          {"socketcall"},
	"socketpair":      {"socketcall"},
	"bind":            {"socketcall"},
	"connect":         {"socketcall"},
	"listen":          {"socketcall"},
	"accept":          {"accept4", "socketcall"},
	"accept4":         {"socketcall"},
	"setsockopt":      {"socketcall"},
	"getsockopt":      {"socketcall"},
	"msgget":          {"ipc"},
	"msgsnd":          {"ipc"},
	"msgrcv":          {"ipc"},
	"msgctl":          {"ipc"},
	"semget":          {"ipc"},
	"semop":           {"semtimedop", "ipc"},
	"semtimedop":      {"ipc"},
	"semctl":          {"ipc"},
	"shmget":          {"ipc"},
	"shmat":           {"ipc"},
	"shmctl":          {"ipc"},
}

// byRing are the calls that a process can have done by io_uring, where no filter sees
// them: https://man7.org/linux/man-pages/man2/io_uring_enter.2.html.
var byRing = strings.Fields(`accept accept4 bind close connect epoll_ctl epoll_wait fadvise64 fallocate fgetxattr fsetxattr
	fsync ftruncate futex getxattr link linkat listen madvise mkdir mkdirat open openat openat2 pipe pipe2 poll read readv
	recv recvfrom recvmsg rename renameat renameat2 rmdir send sendmsg sendto setxattr shutdown socket splice statx symlink
	symlinkat sync_file_range tee unlink unlinkat waitid write writev`)

// otherCalls are what does the same as a call.
func otherCalls(call string) []string {
	others := sameAs[call]
	if slices.Contains(byRing, call) {
		others = append(slices.Clip(others), "io_uring_setup")
	}
	return others
}

// intArguments are the arguments of 32 bits or less (int, unsigned int, pid_t, umode_t,
// key_serial_t and the like) of calls that policies filter by argument. A call that is
// not here is not looked at.
var intArguments = map[string][]uint{
	"accept4":           {0, 3},
	"arch_prctl":        {0},
	"bpf":               {0, 2},
	"chmod":             {1},
	"clock_adjtime":     {0},
	"clock_settime":     {0},
	"execveat":          {0, 4},
	"fanotify_init":     {0, 1},
	"fchmod":            {0, 1},
	"fchmodat":          {0, 2},
	"fchmodat2":         {0, 2, 3},
	"fcntl":             {0, 1},
	"finit_module":      {0, 2},
	"fsconfig":          {0, 1, 4},
	"fsmount":           {0, 1, 2},
	"fsopen":            {1},
	"getsockopt":        {0, 1, 2},
	"io_uring_enter":    {0, 1, 2, 3},
	"io_uring_register": {0, 1, 3},
	"io_uring_setup":    {0},
	"ioctl":             {0, 1},
	"ioprio_set":        {0, 1, 2},
	"ipc":               {0, 1},
	"kcmp":              {0, 1, 2},
	"kexec_file_load":   {0, 1},
	"keyctl":            {0},
	"kill":              {0, 1},
	"memfd_create":      {1},
	"mknod":             {1, 2},
	"mknodat":           {0, 2, 3},
	"mount_setattr":     {0, 2},
	"move_mount":        {0, 2, 4},
	"msgget":            {0, 1},
	"open":              {1, 2},
	"open_by_handle_at": {0, 2},
	"open_tree":         {0, 2},
	"openat":            {0, 2, 3},
	"perf_event_open":   {1, 2, 3},
	"personality":       {0},
	"prctl":             {0},
	"quotactl":          {0},
	"reboot":            {0, 1, 2},
	"seccomp":           {0, 1},
	"semget":            {0, 1, 2},
	"sendto":            {0, 3, 5},
	"setns":             {0, 1},
	"setpriority":       {0, 1, 2},
	"setsockopt":        {0, 1, 2, 4},
	"shmget":            {0, 2},
	"socket":            {0, 1, 2},
	"socketcall":        {0},
	"socketpair":        {0, 1, 2},
	"syslog":            {0, 2},
	"tgkill":            {0, 1, 2},
	"timerfd_create":    {0, 1},
	"tkill":             {0, 1},
	"umount2":           {1},
	"userfaultfd":       {0},
}
