# SPDX-License-Identifier: MIT
#
# The Xen side's pure logic. CORE_XEN_SRC is what the adapter links, freestanding.

XENSTORE_SRC := $(addprefix core/,xenstore.c xenstore_node.c xenstore_txn.c xenstore_ops.c xenstore_watch.c \
	xs_wire.c xs_request.c xs_guest.c xs_control.c)
EVTCHN_SRC := $(addprefix core/,evtchn.c evtchn_ops.c evtchn_internal.c evtchn_2l.c evtchn_fifo.c)
GNTTAB_SRC := $(addprefix core/,gnttab.c gnttab_access.c)
BLKBACK_SRC := $(addprefix core/,xenring.c blkif.c blkback.c)
VBD_SRC := $(addprefix core/,xenbus.c vbd.c)
NETBACK_SRC := $(addprefix core/,xenring.c netback.c netback_tx.c netback_rx.c)
VIF_SRC := $(addprefix core/,xenbus.c vif.c)
CORE_XEN_SRC := core/arena.c core/pvconsole.c $(XENSTORE_SRC) $(EVTCHN_SRC) $(GNTTAB_SRC) \
	$(BLKBACK_SRC) $(VBD_SRC) $(filter-out core/xenring.c core/xenbus.c,$(NETBACK_SRC) $(VIF_SRC))

$(eval $(call unit_test,arena,tests/unit/test_arena.c core/arena.c))
$(eval $(call unit_test,xenstore,tests/unit/test_xenstore.c core/fmt.c $(XENSTORE_SRC)))
$(eval $(call unit_test,xs_wire,tests/unit/test_xs_wire.c core/fmt.c $(XENSTORE_SRC)))
$(eval $(call unit_test,xs_control,tests/unit/test_xs_control.c core/fmt.c $(XENSTORE_SRC)))
$(eval $(call unit_test,evtchn,tests/unit/test_evtchn.c $(EVTCHN_SRC)))
$(eval $(call unit_test,evtchn_threads,tests/unit/test_evtchn_threads.c $(EVTCHN_SRC)))
$(BUILD)/tests/unit/evtchn_threads: SANITIZE := -fsanitize=thread
$(eval $(call unit_test,gnttab,tests/unit/test_gnttab.c $(GNTTAB_SRC)))
$(eval $(call unit_test,gnttab_threads,tests/unit/test_gnttab_threads.c $(GNTTAB_SRC)))
$(BUILD)/tests/unit/gnttab_threads: SANITIZE := -fsanitize=thread
$(eval $(call unit_test,blkback,tests/unit/test_blkback.c $(BLKBACK_SRC) $(GNTTAB_SRC)))
$(eval $(call unit_test,vbd,tests/unit/test_vbd.c core/fmt.c $(VBD_SRC) $(BLKBACK_SRC) $(GNTTAB_SRC) \
	$(EVTCHN_SRC) $(XENSTORE_SRC)))
$(eval $(call unit_test,blkback_threads,tests/unit/test_blkback_threads.c $(BLKBACK_SRC) $(GNTTAB_SRC)))
$(BUILD)/tests/unit/blkback_threads: SANITIZE := -fsanitize=thread
$(eval $(call unit_test,netback,tests/unit/test_netback.c $(NETBACK_SRC) $(GNTTAB_SRC)))
$(eval $(call unit_test,vif,tests/unit/test_vif.c core/fmt.c $(VIF_SRC) $(NETBACK_SRC) $(GNTTAB_SRC) \
	$(EVTCHN_SRC) $(XENSTORE_SRC)))
$(eval $(call unit_test,netdev,tests/unit/test_netdev.c adapter/xen/netdev.c core/fmt.c $(VIF_SRC) $(NETBACK_SRC) $(GNTTAB_SRC) \
	$(EVTCHN_SRC) $(XENSTORE_SRC)))
$(eval $(call unit_test,events,tests/unit/test_events.c adapter/xen/events.c $(EVTCHN_SRC),-iquote tests/hosted))
$(eval $(call unit_test,pvconsole,tests/unit/test_pvconsole.c core/pvconsole.c))

$(eval $(call fuzzer,xenstore,tests/fuzz/fuzz_xenstore.c core/fmt.c $(XENSTORE_SRC)))
$(eval $(call fuzzer,evtchn,tests/fuzz/fuzz_evtchn.c $(EVTCHN_SRC)))
$(eval $(call fuzzer,pvconsole,tests/fuzz/fuzz_pvconsole.c core/pvconsole.c))
$(eval $(call fuzzer,gnttab,tests/fuzz/fuzz_gnttab.c $(GNTTAB_SRC)))
$(eval $(call fuzzer,blkback,tests/fuzz/fuzz_blkback.c $(BLKBACK_SRC) $(GNTTAB_SRC)))
$(eval $(call fuzzer,netback,tests/fuzz/fuzz_netback.c $(NETBACK_SRC) $(GNTTAB_SRC)))
$(eval $(call fuzzer,devices,tests/fuzz/fuzz_devices.c core/fmt.c core/arena.c $(BLKBACK_SRC) $(VBD_SRC) $(GNTTAB_SRC) $(EVTCHN_SRC) \
	$(XENSTORE_SRC) $(filter-out core/xenring.c core/xenbus.c,$(NETBACK_SRC) $(VIF_SRC))))
