# SPDX-License-Identifier: MIT
#
# Test kernels for Xen's PV ABI: each folder of tests/guest/pv but kit/ is one. It is built twice, with a hypercall page and
# with inline syscall instructions; some also for the lower half of the address space, where Mini-OS and GRUB live. tests/boot/pvtests runs them.

PV := $(BUILD)/tests/guest/pv
PV_TESTS := $(filter-out kit,$(notdir $(patsubst %/,%,$(wildcard tests/guest/pv/*/))))
PV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables $(WARN) -I. -MMD -MP
PV_KIT := $(wildcard tests/guest/pv/kit/*.[cS]) core/fmt.c core/string.c

# $(call pv_kernel,TEST,VARIANT,VIRT_BASE)
define pv_kernel
PV_OBJ_$(1)_$(2) := $$(addprefix $(PV)/$(2)/obj/,$$(addsuffix .o,$(PV_KIT) $$(wildcard tests/guest/pv/$(1)/*.[cS])))
$(PV)/$(2)/$(1): $$(PV_OBJ_$(1)_$(2)) tests/guest/pv/kit/pv.lds
	$$(LD) -m elf_x86_64 -static -nostdlib -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
		--defsym=virt_base=$(3) -T tests/guest/pv/kit/pv.lds -o $$@ $$(filter %.o,$$^)
ALL += $(PV)/$(2)/$(1)
endef

$(PV)/page/obj/%.o: % | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(PV_CFLAGS) -c -o $@ $<

$(PV)/inline/obj/%.o: % | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(PV_CFLAGS) -DPV_INLINE -c -o $@ $<

$(PV)/low/obj/%.o: % | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(PV_CFLAGS) -DPV_LOW -mcmodel=small -c -o $@ $<

$(foreach t,$(PV_TESTS),$(eval $(call pv_kernel,$(t),page,0xffffffff80000000)))
$(foreach t,$(PV_TESTS),$(eval $(call pv_kernel,$(t),inline,0xffffffff80000000)))
$(foreach t,iretq,$(eval $(call pv_kernel,$(t),low,0)))

CHECK_TAP += tests/boot/pvtests
CHECK_ALL_TAP += tests/boot/pvtests-all
