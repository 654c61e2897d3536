/* SPDX-License-Identifier: MIT */
/* A partition from its configuration to its end: owns every part, wires them, runs the device thread. */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include "disk/xdisk.h"
#include "host/boot.h"
#include "host/storvsp.h"
#include "host/vcpu.h"

#define MACHINE_MAX_CPUS     64u
#define MACHINE_LEAST_MEMORY (32ull << 20)
#define MACHINE_MOST_MEMORY  (64ull << 30)

/* The disks: those at the LUNs of the SCSI controller, then the IDE disks of a generation 1 machine. */
#define MACHINE_MAX_LUNS  64u
#define MACHINE_MAX_IDE   STORVSP_MAX_IDE
#define MACHINE_MAX_DISKS (MACHINE_MAX_LUNS + MACHINE_MAX_IDE)

struct machine_disk {
	const char *path; /* NULL: nothing here */
	enum xd_format format;
	bool read_only;
	bool cdrom;
	bool ide; /* belongs on an IDE controller */
	struct disk_files
	    *files; /* not NULL: attached while running; owned, and the path is in it */
};

#define MACHINE_MAX_NETS     8u
#define MACHINE_MAX_FORWARDS 32u

enum machine_net_kind { NET_NONE, NET_USER, NET_TAP };

struct machine_net {
	enum machine_net_kind kind;
	const char *interface; /* of a tap */
	unsigned forwards;
	const char *forward[MACHINE_MAX_FORWARDS]; /* as net_slirp_create() takes them */
	/* Of one that was attached while running, and owned; else NULL, and -1. */
	char *words; /* which the strings above are in */
	int tap;     /* opened by who attached it */
};

/* "user[,hostfwd=…]…" or "tap=INTERFACE", which is cut in place and stays the caller's. False where it is neither. */
bool machine_net_parse(struct machine_net *net, char *words);

/* What becomes of a guest that crashed. */
enum crash_policy {
	CRASH_POWER_OFF,
	CRASH_RESET, /* machine_run() returns all the same; its caller starts the next life */
	CRASH_PAUSE, /* it stays as it is, to be looked at */
	CRASH_KEEP,  /* it goes on by itself, as far as it can */
};

struct ring;

struct machine_config {
	struct boot_files files;
	unsigned cpus;
	uint64_t memory;      /* bytes, whole pages */
	uint64_t memory_most; /* with what can be added */
	const char *name;
	struct machine_disk disk[MACHINE_MAX_DISKS]; /* by place */
	struct machine_net net[MACHINE_MAX_NETS];    /* by number */
	enum crash_policy on_crash;
	struct ring *ring; /* NULL: threads do the disks' work */
	int output;        /* of console_open_output() */
	int control;       /* of control_listen() */
};

/*
 * Runs one life of the guest on `kvm`: from power on to power off, reset or crash. The calling thread becomes the device
 * thread. Everything that goes wrong has been told on stderr. Disks that come and go meanwhile do so in `config` too.
 */
enum outcome machine_run(struct machine_config *config, struct kvm *kvm);

#endif
