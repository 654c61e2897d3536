/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers. Nothing reaches the hardware unless its row says so; what has no row is #GP, as on a
 * processor that lacks it. Numbers are from the Intel SDM volume 4 and the AMD APM volume 2, appendix A; what each does is
 * what Xen 4.17 does for an unprivileged PV guest.
 */
#include "adapter/x86/privop.h"

#define MSR_TSC                   0x010
#define MSR_PLATFORM_ID           0x017
#define MSR_FEATURE_CONTROL       0x03a
#define MSR_SPEC_CTRL             0x048
#define MSR_PRED_CMD              0x049
#define MSR_UCODE_REVISION        0x08b /* PATCH_LEVEL on AMD */
#define MSR_PLATFORM_INFO         0x0ce
#define MSR_MPERF                 0x0e7
#define MSR_APERF                 0x0e8
#define MSR_ARCH_CAPABILITIES     0x10a
#define MSR_MISC_FEATURES_ENABLES 0x140
#define MSR_MCG_CAP               0x179
#define MSR_MCG_STATUS            0x17a
#define MSR_PERF_STATUS           0x198
#define MSR_PERF_CTL              0x199
#define MSR_THERM_CONTROL         0x19a
#define MSR_THERM_STATUS          0x19c
#define MSR_MISC_ENABLE           0x1a0
#define MSR_ENERGY_PERF_BIAS      0x1b0
#define MSR_MC0_CTL2              0x280
#define MSR_PERF_CAPABILITIES     0x345
#define MSR_MC0_CTL               0x400
#define MSR_XEN_HYPERCALL_PAGE    0x40000000 /* xen/arch-x86/cpuid.h, leaf 3 */
#define MSR_TSC_AUX               0xc0000103
#define MSR_K7_HWCR               0xc0010015
#define MSR_K7_FID_VID_CTL        0xc0010041
#define MSR_K7_FID_VID_STATUS     0xc0010042
#define MSR_K8_PSTATE_LIMIT       0xc0010061
#define MSR_K8_PSTATE7            0xc001006b
#define MSR_AMD_NB_CFG            0xc001001f
#define MSR_AMD_DE_CFG            0xc0011029

#define MC_BANKS              2 /* as many as Xen gives its guests */
#define MCG_CAP_TES           (1u << 11)
#define MCG_CAP_SER           (1u << 24)
#define DE_CFG_LFENCE         (1u << 1)
#define FEATURE_CONTROL_LOCK  1
#define PRED_CMD_IBPB         1
#define PRED_CMD_SBPB         (1u << 7)
#define APIC_BASE_BSP         (1u << 8)
#define APIC_BASE_VALUE       0xfee00800u           /* enabled, where it always is */
#define PAT_VALUE             0x050100070406ull     /* XEN_MSR_PAT: the ABI's page attributes */
#define EFER_VISIBLE          0x0000000000000d01ull /* SCE LME LMA NXE */
#define MISC_PERF_AVAILABLE   (1u << 7)
#define MISC_BTS_UNAVAILABLE  (1u << 11)
#define MISC_PEBS_UNAVAILABLE (1u << 12)
#define MISC_MONITOR          (1u << 18)
#define MISC_XTPR_DISABLE     (1u << 23)

#define CPUID_7_EDX_IBRSB     (1u << 26)
#define CPUID_7_EDX_ARCH_CAPS (1u << 29)
#define CPUID_EXT8_EBX_IBPB   (1u << 12)
#define CPUID_EXT21_EAX_SBPB  (1u << 27)

enum vendors { INTEL = 1 << CPUID_VENDOR_INTEL, AMD = 1 << CPUID_VENDOR_AMD, ANY = 7 };

struct request {
	const struct privop_ops *ops;
	void *ctx;
	const struct cpuid_view *view;
	uint32_t msr;
	uint64_t value;
};

typedef bool msr_action_t(struct request *q);

static bool zero(struct request *q)
{
	q->value = 0;
	return true;
}

static bool ignore(struct request *q)
{
	(void)q;
	return true;
}

static bool hw_read(struct request *q)
{
	return q->ops->rdmsr(q->ctx, q->msr, &q->value);
}

static bool hw_write(struct request *q)
{
	return q->ops->wrmsr(q->ctx, q->msr, q->value);
}

/* Not left to the hardware: QEMU's software processor takes any. */
static bool base_write(struct request *q)
{
	return (uint64_t)((int64_t)(q->value << 16) >> 16) == q->value && hw_write(q);
}

static bool tsc(struct request *q)
{
	q->value = q->ops->rdtsc(q->ctx);
	return true;
}

static bool apic_base(struct request *q)
{
	q->value = APIC_BASE_VALUE | (q->ops->vcpu(q->ctx) == 0 ? APIC_BASE_BSP : 0);
	return true;
}

static bool pat(struct request *q)
{
	q->value = PAT_VALUE;
	return true;
}

static bool efer(struct request *q)
{
	if (!hw_read(q))
		return false;
	q->value &= EFER_VISIBLE;
	return true;
}

/* Linux writes back what it read. */
static bool efer_write(struct request *q)
{
	uint64_t wanted = q->value;

	return efer(q) && q->value == wanted;
}

static bool feature_control(struct request *q)
{
	q->value = FEATURE_CONTROL_LOCK;
	return true;
}

/* What a kernel would want to change here is ignored rather than refused, so the value does not matter. */
static bool misc_enable(struct request *q)
{
	if (!hw_read(q))
		return false;
	q->value &= ~(uint64_t)(MISC_PERF_AVAILABLE | MISC_MONITOR);
	q->value |= MISC_BTS_UNAVAILABLE | MISC_PEBS_UNAVAILABLE | MISC_XTPR_DISABLE;
	return true;
}

static bool mcg_cap(struct request *q)
{
	q->value =
	    MC_BANKS | (q->view->vendor == CPUID_VENDOR_INTEL ? MCG_CAP_SER | MCG_CAP_TES : 0);
	return true;
}

/* CTL, STATUS, ADDR and MISC of each bank: everything enabled, nothing ever happens. */
static bool mc_bank(struct request *q)
{
	q->value = (q->msr & 3) == 0 ? UINT64_MAX : 0;
	return true;
}

static bool de_cfg(struct request *q)
{
	q->value = DE_CFG_LFENCE;
	return true;
}

static bool has_ibrsb(const struct request *q)
{
	return cpuid_policy(q->view, 7, 0).edx & CPUID_7_EDX_IBRSB;
}

static bool spec_ctrl(struct request *q)
{
	return has_ibrsb(q) && hw_read(q);
}

static bool spec_ctrl_write(struct request *q)
{
	return has_ibrsb(q) && hw_write(q);
}

static bool pred_cmd_write(struct request *q)
{
	uint64_t valid = PRED_CMD_IBPB;

	if (!has_ibrsb(q) && !(cpuid_policy(q->view, 0x80000008, 0).ebx & CPUID_EXT8_EBX_IBPB))
		return false;
	if (cpuid_policy(q->view, 0x80000021, 0).eax & CPUID_EXT21_EAX_SBPB)
		valid |= PRED_CMD_SBPB;
	return !(q->value & ~valid) && hw_write(q);
}

static bool arch_capabilities(struct request *q)
{
	if (!(cpuid_policy(q->view, 7, 0).edx & CPUID_7_EDX_ARCH_CAPS) || !hw_read(q))
		return false;
	q->value = arch_capabilities_policy(q->value);
	return true;
}

static bool write_zero(struct request *q)
{
	return q->value == 0;
}

static bool tsc_aux_write(struct request *q)
{
	return q->value == (uint32_t)q->value && hw_write(q);
}

/* NULL: #GP. Sorted by number; ranges do not overlap. */
static const struct msr_row {
	uint32_t first, last;
	enum vendors vendors;
	msr_action_t *read, *write;
} rows[] = {
    {MSR_TSC, MSR_TSC, ANY, tsc, NULL},
    {MSR_PLATFORM_ID, MSR_PLATFORM_ID, INTEL, hw_read, NULL},
    {MSR_APIC_BASE, MSR_APIC_BASE, ANY, apic_base, NULL},
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, INTEL, feature_control, NULL},
    {MSR_SPEC_CTRL, MSR_SPEC_CTRL, ANY, spec_ctrl, spec_ctrl_write},
    {MSR_PRED_CMD, MSR_PRED_CMD, ANY, NULL, pred_cmd_write},
    {MSR_UCODE_REVISION, MSR_UCODE_REVISION, INTEL, hw_read, write_zero},
    {MSR_UCODE_REVISION, MSR_UCODE_REVISION, AMD, hw_read, NULL},
    {MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, ANY, zero, NULL},
    {MSR_MPERF, MSR_APERF, INTEL | AMD, NULL, ignore},
    {MSR_ARCH_CAPABILITIES, MSR_ARCH_CAPABILITIES, ANY, arch_capabilities, NULL},
    {MSR_MISC_FEATURES_ENABLES, MSR_MISC_FEATURES_ENABLES, ANY, zero, write_zero},
    {MSR_MCG_CAP, MSR_MCG_CAP, ANY, mcg_cap, ignore},
    {MSR_MCG_STATUS, MSR_MCG_STATUS, ANY, zero, ignore},
    {MSR_PERF_STATUS, MSR_PERF_STATUS, INTEL, zero, NULL},
    {MSR_PERF_CTL, MSR_PERF_CTL, INTEL, zero, ignore},
    {MSR_THERM_CONTROL, MSR_THERM_CONTROL, INTEL, NULL, ignore},
    {MSR_THERM_STATUS, MSR_THERM_STATUS, INTEL, zero, NULL},
    {MSR_MISC_ENABLE, MSR_MISC_ENABLE, ANY, misc_enable, ignore},
    {MSR_ENERGY_PERF_BIAS, MSR_ENERGY_PERF_BIAS, INTEL, NULL, ignore},
    {MSR_PAT, MSR_PAT, ANY, pat, NULL},
    {MSR_MC0_CTL2, MSR_MC0_CTL2 + MC_BANKS - 1, INTEL, zero, ignore},
    {MSR_PERF_CAPABILITIES, MSR_PERF_CAPABILITIES, ANY, zero, NULL},
    {MSR_MC0_CTL, MSR_MC0_CTL + 4 * MC_BANKS - 1, ANY, mc_bank, ignore},
    {MSR_XEN_HYPERCALL_PAGE, MSR_XEN_HYPERCALL_PAGE, ANY, zero, NULL},
    {MSR_EFER, MSR_EFER, ANY, efer, efer_write},
    {MSR_FS_BASE, MSR_KERNEL_GS_BASE, ANY, hw_read, base_write},
    {MSR_TSC_AUX, MSR_TSC_AUX, ANY, hw_read, tsc_aux_write},
    {MSR_K7_HWCR, MSR_K7_HWCR, AMD, zero, ignore},
    {MSR_AMD_NB_CFG, MSR_AMD_NB_CFG, ANY, zero, ignore},
    {MSR_K7_FID_VID_CTL, MSR_K7_FID_VID_STATUS, AMD, zero, ignore},
    {MSR_K8_PSTATE_LIMIT, MSR_K8_PSTATE7, AMD, zero, ignore},
    {MSR_AMD_DE_CFG, MSR_AMD_DE_CFG, AMD, de_cfg, ignore},
};

static const struct msr_row *find_row(uint32_t msr, enum cpuid_vendor vendor)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (msr >= rows[i].first && msr <= rows[i].last && (rows[i].vendors & 1u << vendor))
			return &rows[i];
	}
	return NULL;
}

bool privop_rdmsr(const struct privop_ops *ops, void *ctx, uint32_t msr, uint64_t *value)
{
	struct request q = {.ops = ops, .ctx = ctx, .view = ops->cpuid_view(ctx), .msr = msr};
	const struct msr_row *row = find_row(msr, q.view->vendor);

	if (!row || !row->read || !row->read(&q))
		return false;
	*value = q.value;
	return true;
}

bool privop_wrmsr(const struct privop_ops *ops, void *ctx, uint32_t msr, uint64_t value)
{
	struct request q = {
	    .ops = ops, .ctx = ctx, .view = ops->cpuid_view(ctx), .msr = msr, .value = value};
	const struct msr_row *row = find_row(msr, q.view->vendor);

	return row && row->write && row->write(&q);
}
