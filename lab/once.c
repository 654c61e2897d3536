/* SPDX-License-Identifier: MIT */
/*
 * Runs in L1 beside the partition's host: an interrupt that KVM injects is delivered once.
 *
 * QEMU's software SVM leaves the vector of an interrupt that VMRUN injects in the processor's exception_index. The guest's next exit or
 * exception overwrites it; but where the loop that runs the processor is left before (with -icount whenever a timer of L1's is due), it
 * delivers the vector once more, whether the guest has interrupts on or not. A handler that holds a lock then waits for itself.
 *
 * So two programs at KVM's tracepoints see to it that an exit comes first. The one where an interrupt is injected marks the vCPU's thread; the
 * one where the processor is about to execute VMRUN, with interrupts off, has a marked thread send itself signal 0: that does nothing, but
 * by way of an interrupt to the same processor, and one that waits makes VMRUN deliver what it injects and exit again.
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 32768 /* a power of two; Linux's pid_max where there are few processors */

/* clang-format off */
#define INSN(op, to, from, offset, value) \
	{.code = (op), .dst_reg = (to), .src_reg = (from), .off = (offset), .imm = (value)}
#define MOV(to, from)             INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define MOV_VALUE(to, value)      INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define LOAD(to, from, offset)    INSN(BPF_LDX | BPF_MEM | BPF_W, to, from, offset, 0)
#define STORE(to, offset, from)   INSN(BPF_STX | BPF_MEM | BPF_W, to, from, offset, 0)
#define STORE_VALUE(to, offset, value) INSN(BPF_ST | BPF_MEM | BPF_W, to, 0, offset, value)
#define SKIP_IF(what, reg, value, count) INSN(BPF_JMP | (what) | BPF_K, reg, 0, count, value)
#define CALL(helper)              INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define EXIT                      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* r6: this thread's mark in `map`, or the program ends. */
#define FIND_MARK(map)                                                                             \
	CALL(get_current_pid_tgid),                                                                \
	INSN(BPF_ALU64 | BPF_AND | BPF_K, 0, 0, 0, ENTRIES - 1),                                   \
	STORE(10, -4, 0),                                                                          \
	INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map), INSN(0, 0, 0, 0, 0),        \
	MOV(2, 10), INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),                                \
	CALL(map_lookup_elem),                                                                     \
	SKIP_IF(BPF_JNE, 0, 0, 2), MOV_VALUE(0, 0), EXIT,                                          \
	MOV(6, 0)
/* clang-format on */

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int new_map(void)
{
	union bpf_attr attr = {
	    .map_type = BPF_MAP_TYPE_ARRAY,
	    .key_size = 4,
	    .value_size = 4,
	    .max_entries = ENTRIES,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* Runs the program at the tracepoint for as long as this process lives; 0, or -1. */
static int run_at(const char *tracepoint, const struct bpf_insn *program, size_t bytes)
{
	union bpf_attr load = {
	    .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	    .insns = (uintptr_t)program,
	    .insn_cnt = bytes / sizeof(*program),
	    .license = (uintptr_t) "Dual MIT/GPL",
	};
	union bpf_attr attach = {.raw_tracepoint.name = (uintptr_t)tracepoint};
	int fd = bpf(BPF_PROG_LOAD, &load);

	if (fd < 0)
		return -1;
	attach.raw_tracepoint.prog_fd = fd;
	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attach) < 0 ? -1 : 0;
}

int main(void)
{
	int map = new_map();
	/* clang-format off */
	const struct bpf_insn mark[] = {
		FIND_MARK(map),
		STORE_VALUE(6, 0, 1),
		MOV_VALUE(0, 0),
		EXIT,
	};
	const struct bpf_insn exit_soon[] = {
		FIND_MARK(map),
		LOAD(0, 6, 0),
		SKIP_IF(BPF_JEQ, 0, 0, 3),
		STORE_VALUE(6, 0, 0),
		MOV_VALUE(1, 0),
		CALL(send_signal),
		MOV_VALUE(0, 0),
		EXIT,
	};
	/* clang-format on */

	if (map < 0 || run_at("kvm_inj_virq", mark, sizeof(mark)) ||
	    run_at("kvm_entry", exit_soon, sizeof(exit_soon))) {
		perror("once");
		return 1;
	}
	if (fork())
		return 0;
	for (;;)
		pause();
}
