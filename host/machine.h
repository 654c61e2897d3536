/* SPDX-License-Identifier: MIT */
/* A partition from its configuration to its end: owns every part, wires them, runs the device thread. */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include "host/boot.h"
#include "host/vcpu.h"

#define MACHINE_MAX_CPUS 64u

struct machine_config {
	struct boot_files files;
	unsigned cpus;
	uint64_t memory; /* bytes, whole pages */
};

/*
 * Runs one life of the guest on `kvm`: from power on to power off, reset or crash. The calling thread becomes the device
 * thread. Everything that goes wrong has been told on stderr.
 */
enum outcome machine_run(const struct machine_config *config, struct kvm *kvm);

#endif
