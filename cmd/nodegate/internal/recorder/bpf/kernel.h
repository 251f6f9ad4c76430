/* SPDX-FileCopyrightText: The nodegate authors */
/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */

/* What the programs read of the kernel's structures, by the names of the kernel's own BTF:
 * the loader finds out where a field lies. */

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum { BPF_ANY, BPF_NOEXIST };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	__u16 i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_rdev;
};

struct path {};

struct file {
	unsigned int f_mode;
	struct path f_path;
	struct inode *f_inode;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct user_namespace {
	int level;
};

struct cred {
	struct user_namespace *user_ns;
};

struct rlimit {
	unsigned long rlim_cur;
	unsigned long rlim_max;
};

#define RLIM_NLIMITS 16

struct signal_struct {
	struct rlimit rlim[RLIM_NLIMITS];
};

struct thread_info {
	unsigned long flags;
	__u32 status; /* of amd64 alone */
};

struct task_struct {
	struct thread_info thread_info;
	struct task_struct *real_parent;
	const struct cred *real_cred;
	struct css_set *cgroups;
	struct signal_struct *signal;
};

/* What a thread had in its registers when it made its system call: on amd64, on arm64. */
struct pt_regs {
	unsigned long orig_ax;
};

struct pt_regs___arm64 {
	__s32 syscallno;
};

struct file_system_type {
	const char *name;
};

struct fs_context {
	struct file_system_type *fs_type;
	const char *source;
};

#pragma clang attribute pop

struct rlimit64 {
	__u64 cur, max; /* a rlimit that was copied */
};
