// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0

/* Records what the containers of a pod use, for nodegate learn. Nothing is denied or
 * changed. The layout of struct event is read by event.go. */

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL"; /* the kernel wants it of programs that trace */

enum kind {
	CONTAINER = 1, /* its cgroup was made */
	DEVICE,        /* opened */
	OPENED,        /* a device: what its driver answered */
	DENIED,        /* a device, by the device cgroup */
	FILE,          /* of proc, sysfs or a cgroup, opened */
	NODE,          /* of a device, made */
	CAPABILITY,    /* asked for */
	MOUNT,         /* a file system was made ready to mount */
	RLIMIT,        /* a hard limit was raised */
	SOCKET,        /* raw, or of ICMP */
	NAMESPACES,    /* made */
	CGROUP,        /* made below the container's */
	REFUSED,       /* a system call that was answered before it was made */
};

struct event {
	__u64 cgroup; /* of the container */
	__u64 a, b;   /* by kind */
	__u32 kind;
	__s32 result;
	__u32 call;   /* the number of the system call, with COMPAT */
	__u32 unused;
	char program[16];
	char name[32];
	char path[256];
};

/* What was told once is not told again. */
struct seen {
	__u64 cgroup, a, b, id;
	__u32 kind;
	__s32 result;
	__u32 call;
	__u32 unused;
	char program[16];
};

struct used {
	__u64 cgroup;
	__u64 call;
};

/* The cgroups whose new children are containers to record: those of pods. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} pods SEC(".maps");

#define MAX_CALL 1024 /* no architecture has as many; any number can be tried */

/* A cgroup of a container: its own, or one below. */
struct member {
	__u64 container;            /* the container's cgroup */
	__u64 noted[MAX_CALL / 64]; /* by number: system calls that calls has */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct member);
} wanted SEC(".maps");

/* Too large for the stack beside the rest: never written. */
static const struct member nobody;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct seen);
	__type(value, __u8);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct used);
	__type(value, __u8);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline __u64 owner(__u64 cgroup)
{
	struct member *m = bpf_map_lookup_elem(&wanted, &cgroup);

	return m ? m->container : 0;
}

/* Whether a thread is the runtime's, which prepares a container or an exec from within: by
 * its name until it executes the program, which is a number where runc executes a copy of
 * itself. One that a runtime inside of the container has made has its parent there. */
static __always_inline int of_runtime(const char *name, __u64 container)
{
	struct task_struct *task;

	if ((name[0] != 'r' || name[1] != 'u' || name[2] != 'n' || name[3] != 'c') &&
	    (name[0] != 'c' || name[1] != 'r' || name[2] != 'u' || name[3] != 'n') && (name[0] < '0' || name[0] > '9'))
		return 0;
	task = bpf_get_current_task_btf();
	return owner(task->real_parent->cgroups->dfl_cgrp->kn->id) != container;
}

/* The container's cgroup, if the current thread is one of a container that is recorded. */
static __always_inline __u64 recorded(struct seen *s)
{
	__u64 container = owner(bpf_get_current_cgroup_id());

	if (!container)
		return 0;
	bpf_get_current_comm(s->program, sizeof(s->program));
	if (of_runtime(s->program, container))
		return 0;
	s->cgroup = container;
	return container;
}

#define COMPAT (1u << 31) /* beside the number of a call of the 32-bit architecture */
#define TS_COMPAT 2       /* of amd64 */
#define TIF_32BIT 22      /* of arm64 */

static __always_inline __u32 compat(void)
{
	struct thread_info *t = &bpf_get_current_task_btf()->thread_info;

	if (bpf_core_field_exists(t->status))
		return t->status & TS_COMPAT ? COMPAT : 0;
	return t->flags & (1ul << TIF_32BIT) ? COMPAT : 0;
}

/* The number of the system call that the current thread is in. */
static __always_inline __u32 current_call(void)
{
	struct pt_regs *r = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (bpf_core_field_exists(r->orig_ax))
		return r->orig_ax | compat();
	return ((struct pt_regs___arm64 *)r)->syscallno | compat();
}

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&lost, &zero);
	if (n)
		++*n;
}

/* A place for an event that has not been told yet, or NULL. */
static __always_inline struct event *begin(struct seen *s)
{
	__u8 one = 1;
	struct event *e;

	s->call = current_call();
	if (bpf_map_lookup_elem(&told, s))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count_lost();
		return 0;
	}
	bpf_map_update_elem(&told, s, &one, BPF_ANY);
	e->cgroup = s->cgroup;
	e->a = s->a;
	e->b = s->b;
	e->kind = s->kind;
	e->result = s->result;
	e->call = s->call;
	e->unused = 0;
	__builtin_memcpy(e->program, s->program, sizeof(e->program));
	e->name[0] = 0;
	e->path[0] = 0;
	return e;
}

static __always_inline void tell(struct seen *s)
{
	struct event *e = begin(s);
	if (e)
		bpf_ringbuf_submit(e, 0);
}

static __always_inline void want(__u64 cgroup, __u64 container)
{
	struct member *m;

	if (bpf_map_update_elem(&wanted, &cgroup, &nobody, BPF_ANY)) {
		count_lost();
		return;
	}
	m = bpf_map_lookup_elem(&wanted, &cgroup);
	if (m)
		m->container = container;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(container_made, struct cgroup *made)
{
	struct seen s = {};
	struct event *e;
	__u64 id = made->kn->id;
	__u64 above = made->self.parent->cgroup->kn->id;
	__u64 container = owner(above);
	int of_pod = bpf_map_lookup_elem(&pods, &above) != 0;

	/* A privileged container sees all cgroups of the node, and an engine in it makes its
	 * containers' among these. */
	if (!container && !of_pod)
		container = recorded(&s);
	if (container) { /* one of its own */
		want(id, container);
		return 0;
	}
	if (!of_pod)
		return 0;
	want(id, id);
	s.kind = CONTAINER;
	s.cgroup = id;
	e = begin(&s);
	if (e) {
		bpf_probe_read_kernel_str(e->path, sizeof(e->path), made->kn->name);
		bpf_ringbuf_submit(e, 0);
	}
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_gone, struct cgroup *gone)
{
	__u64 id = gone->kn->id;

	bpf_map_delete_elem(&wanted, &id);
	return 0;
}

/* Runs at each system call of the node: one look decides of most. */
SEC("tp_btf/sys_enter")
int BPF_PROG(call_made, void *registers, long call)
{
	struct seen s = {};
	struct used u = {};
	__u8 one = 1;
	__u64 cgroup = bpf_get_current_cgroup_id();
	struct member *m = bpf_map_lookup_elem(&wanted, &cgroup);
	__u64 bit;

	if (!m || call < 0 || call >= MAX_CALL)
		return 0;
	u.call = call | compat();
	bit = 1ull << (call & 63);
	/* Those of the 32-bit architecture have other numbers. */
	if (!(u.call & COMPAT) && m->noted[call / 64 & (MAX_CALL / 64 - 1)] & bit)
		return 0;
	if (!recorded(&s))
		return 0;
	u.cgroup = s.cgroup;
	if (!bpf_map_lookup_elem(&calls, &u) && bpf_map_update_elem(&calls, &u, &one, BPF_ANY)) {
		count_lost();
		return 0;
	}
	if (!(u.call & COMPAT))
		m->noted[call / 64 & (MAX_CALL / 64 - 1)] |= bit;
	return 0;
}

#define EPERM 1
#define ENOSYS 38

/* A call that seccomp answers is never made: call_made has not seen it. Most calls end
 * otherwise, and cost one comparison. */
SEC("tp_btf/sys_exit")
int BPF_PROG(call_refused, void *registers, long result)
{
	struct seen s = {};
	struct used u = {};

	if ((result != -EPERM && result != -ENOSYS) || !recorded(&s))
		return 0;
	u.cgroup = s.cgroup;
	u.call = current_call();
	if ((u.call & ~COMPAT) >= MAX_CALL || bpf_map_lookup_elem(&calls, &u))
		return 0;
	s.kind = REFUSED;
	s.result = result;
	tell(&s);
	return 0;
}

#define S_IFMT 0170000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define FMODE_READ 1
#define FMODE_WRITE 2
#define PROC_SUPER_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572
#define CGROUP2_SUPER_MAGIC 0x63677270
#define BLOCK (1ull << 32)

SEC("fexit/security_file_open")
int BPF_PROG(opened, struct file *file, int result)
{
	struct seen s = {};
	struct event *e;
	struct inode *inode;
	unsigned long magic;
	__u16 type;

	if (!recorded(&s))
		return 0;
	inode = file->f_inode;
	type = inode->i_mode & S_IFMT;
	s.result = result;
	s.id = inode->i_ino;
	s.b = file->f_mode & (FMODE_READ | FMODE_WRITE);
	if (type == S_IFCHR || type == S_IFBLK) {
		s.kind = DEVICE;
		s.a = inode->i_rdev | (type == S_IFBLK ? BLOCK : 0);
	} else {
		magic = inode->i_sb->s_magic;
		if (magic != PROC_SUPER_MAGIC && magic != SYSFS_MAGIC && magic != CGROUP2_SUPER_MAGIC)
			return 0;
		/* Of sysfs and cgroups, what is read is everybody's. */
		if (magic != PROC_SUPER_MAGIC && !(s.b & FMODE_WRITE) && result == 0)
			return 0;
		s.kind = FILE;
		s.a = magic;
	}
	e = begin(&s);
	if (!e)
		return 0;
	if (bpf_d_path(&file->f_path, e->path, sizeof(e->path)) < 0)
		e->path[0] = 0;
	/* Of /proc/PID, what is read is everybody's. */
	if (s.kind == FILE && s.a == PROC_SUPER_MAGIC && !(s.b & FMODE_WRITE) && e->path[6] >= '0' && e->path[6] <= '9') {
		bpf_ringbuf_discard(e, 0);
		return 0;
	}
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline int driver_answered(struct inode *inode, struct file *file, int result, __u64 block)
{
	struct seen s = {};

	if (!recorded(&s))
		return 0;
	s.kind = OPENED;
	s.a = inode->i_rdev | block;
	s.b = file->f_mode & (FMODE_READ | FMODE_WRITE);
	s.result = result;
	tell(&s);
	return 0;
}

SEC("fexit/chrdev_open")
int BPF_PROG(chrdev_opened, struct inode *inode, struct file *file, int result)
{
	return driver_answered(inode, file, result, 0);
}

SEC("fexit/blkdev_open")
int BPF_PROG(blkdev_opened, struct inode *inode, struct file *file, int result)
{
	return driver_answered(inode, file, result, BLOCK);
}

SEC("fexit/devcgroup_check_permission")
int BPF_PROG(device_checked, short type, __u32 major, __u32 minor, short access, int result)
{
	struct seen s = {};

	if (result == 0 || !recorded(&s))
		return 0;
	s.kind = DENIED;
	s.a = ((__u64)major << 20 | minor) | (type == 1 ? BLOCK : 0);
	s.b = access;
	s.result = result;
	tell(&s);
	return 0;
}

SEC("fexit/vfs_mknod")
int BPF_PROG(node_made, void *idmap, struct inode *dir, struct dentry *dentry, __u16 mode, __u32 device, int result)
{
	struct seen s = {};
	struct event *e;
	__u16 type = mode & S_IFMT;

	/* 0:0 is what overlayfs marks removed files with. */
	if ((type != S_IFCHR && type != S_IFBLK) || device == 0 || !recorded(&s))
		return 0;
	s.kind = NODE;
	s.a = device | (type == S_IFBLK ? BLOCK : 0);
	s.result = result;
	e = begin(&s);
	if (!e)
		return 0;
	bpf_probe_read_kernel_str(e->path, sizeof(e->path), dentry->d_name.name);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

#define CAP_OPT_NOAUDIT 2

SEC("fexit/cap_capable")
int BPF_PROG(capability_asked, const struct cred *cred, struct user_namespace *of, int capability, unsigned int options, int result)
{
	struct seen s = {};

	if (!recorded(&s))
		return 0;
	/* For a while the thread acts as another: overlayfs looks below as who mounted it, and
	 * access(2) only asks. */
	if (bpf_get_current_task_btf()->real_cred != cred)
		return 0;
	s.kind = CAPABILITY;
	s.a = capability;
	s.b = (of->level == 0) | (of == cred->user_ns) << 1 | ((options & CAP_OPT_NOAUDIT) != 0) << 2;
	s.result = result;
	tell(&s);
	return 0;
}

SEC("fexit/vfs_get_tree")
int BPF_PROG(mounted, struct fs_context *context, int result)
{
	struct seen s = {};
	struct event *e;
	const char *name;

	if (!recorded(&s))
		return 0;
	name = context->fs_type->name;
	s.kind = MOUNT;
	s.id = (__u64)name;
	s.result = result;
	e = begin(&s);
	if (!e)
		return 0;
	bpf_probe_read_kernel_str(e->name, sizeof(e->name), name);
	if (context->source)
		bpf_probe_read_kernel_str(e->path, sizeof(e->path), context->source);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("fentry/security_task_setrlimit")
int BPF_PROG(limit_set, struct task_struct *task, unsigned int resource, struct rlimit *limit)
{
	struct seen s = {};
	struct rlimit64 has[RLIM_NLIMITS] = {};
	__u64 had = 0;

	if (!recorded(&s))
		return 0;
	bpf_probe_read_kernel(has, sizeof(has), task->signal->rlim);
	/* The verifier takes no index that is not constant. */
#pragma unroll
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (resource == i)
			had = *(volatile __u64 *)&has[i].max;
	if (limit->rlim_max <= had)
		return 0;
	s.kind = RLIMIT;
	s.a = resource;
	s.b = limit->rlim_max;
	tell(&s);
	return 0;
}

#define AF_NETLINK 16
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58

SEC("fexit/security_socket_create")
int BPF_PROG(socket_made, int family, int type, int protocol, int by_kernel, int result)
{
	struct seen s = {};

	type &= 0xf;
	if (by_kernel || family == AF_NETLINK || (type != SOCK_RAW && !(type == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6))))
		return 0;
	if (!recorded(&s))
		return 0;
	s.kind = SOCKET;
	s.a = (__u64)family << 32 | type;
	s.b = protocol;
	s.result = result;
	tell(&s);
	return 0;
}

/* CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define NEW_NAMESPACES 0x7e020080

static __always_inline int namespaces(__u64 flags)
{
	struct seen s = {};

	if (!(flags & NEW_NAMESPACES) || !recorded(&s))
		return 0;
	s.kind = NAMESPACES;
	s.a = flags & NEW_NAMESPACES;
	tell(&s);
	return 0;
}

SEC("fentry/copy_namespaces")
int BPF_PROG(cloned, __u64 flags)
{
	return namespaces(flags);
}

SEC("fentry/unshare_nsproxy_namespaces")
int BPF_PROG(unshared, __u64 flags)
{
	return namespaces(flags);
}

SEC("fexit/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct kernfs_node *in, const char *name, __u16 mode, int result)
{
	struct seen s = {};
	struct event *e;

	if (!recorded(&s))
		return 0;
	s.kind = CGROUP;
	s.result = result;
	e = begin(&s);
	if (!e)
		return 0;
	bpf_probe_read_kernel_str(e->path, sizeof(e->path), name);
	bpf_ringbuf_submit(e, 0);
	return 0;
}
