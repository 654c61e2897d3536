/* SPDX-License-Identifier: MIT */
/* A partition from its configuration to its end: owns every part, wires them, runs the device thread. */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include "disk/xdisk.h"
#include "host/boot.h"
#include "host/vcpu.h"

#define MACHINE_MAX_CPUS 64u

#define MACHINE_MAX_DISKS 64u

struct machine_disk {
	const char *path;
	enum xd_format format;
	bool read_only;
	bool cdrom;
};

#define MACHINE_MAX_NETS     8u
#define MACHINE_MAX_FORWARDS 32u

enum machine_net_kind { NET_USER, NET_TAP };

struct machine_net {
	enum machine_net_kind kind;
	const char *interface; /* of a tap */
	unsigned forwards;
	const char *forward[MACHINE_MAX_FORWARDS]; /* as net_slirp_create() takes them */
};

struct ring;

struct machine_config {
	struct boot_files files;
	unsigned cpus;
	uint64_t memory; /* bytes, whole pages */
	const char *name;
	unsigned disks;
	struct machine_disk disk[MACHINE_MAX_DISKS]; /* LUNs in this order */
	unsigned nets;
	struct machine_net net[MACHINE_MAX_NETS];
	struct ring *ring; /* NULL: threads do the disks' work */
};

/*
 * Runs one life of the guest on `kvm`: from power on to power off, reset or crash. The calling thread becomes the device
 * thread. Everything that goes wrong has been told on stderr.
 */
enum outcome machine_run(const struct machine_config *config, struct kvm *kvm);

#endif
