/* SPDX-License-Identifier: MIT */
/* The parts of firmware tables that decide who runs and how the machine goes off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "abi/x86/acpi.h"
#include "adapter/x86/aml.h"
#include "adapter/x86/madt.h"

#define FINDS(s5, ...) \
	aml_find_s5((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), s5)
#define S5_NAME 0x08, '_', 'S', '5', '_'

/* What iasl makes of QEMU's: Name (\_S5, Package (0x04) { Zero, Zero, Zero, Zero }). */
static void qemu_s5_is_found(void **state)
{
	struct aml_s5 s5 = {9, 9};

	(void)state;
	assert_true(FINDS(&s5, 0x10, 0x00, S5_NAME, 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00));
	assert_int_equal(s5.typ_a, 0);
	assert_int_equal(s5.typ_b, 0);
}

/* Name (\_S5_, Package () { 5, 7, 0, 0 }) with a root prefix, byte constants and a two-byte length. */
static void rooted_s5_with_byte_constants_is_found(void **state)
{
	struct aml_s5 s5 = {9, 9};

	(void)state;
	assert_true(FINDS(&s5, 0x08, 0x5c, '_', 'S', '5', '_', 0x12, 0x49, 0x00, 0x04, 0x0a, 0x05,
			  0x0a, 0x07, 0x00, 0x00));
	assert_int_equal(s5.typ_a, 5);
	assert_int_equal(s5.typ_b, 7);
}

static void words_and_ones_count_as_integers(void **state)
{
	struct aml_s5 s5 = {9, 9};

	(void)state;
	assert_true(FINDS(&s5, S5_NAME, 0x12, 0x08, 0x02, 0x0b, 0x03, 0x00, 0x0a, 0x01, 0xff));
	assert_int_equal(s5.typ_a, 3);
	assert_int_equal(s5.typ_b, 1);
}

static void one_element_serves_both_registers(void **state)
{
	struct aml_s5 s5 = {9, 9};

	(void)state;
	assert_true(FINDS(&s5, S5_NAME, 0x12, 0x04, 0x01, 0x0a, 0x05));
	assert_int_equal(s5.typ_a, 5);
	assert_int_equal(s5.typ_b, 5);
}

static void a_mention_that_is_no_definition_is_passed_over(void **state)
{
	struct aml_s5 s5 = {9, 9};

	(void)state;
	/* A reference to the object before its definition. */
	assert_true(
	    FINDS(&s5, 0x70, '_', 'S', '5', '_', 0x60, S5_NAME, 0x12, 0x04, 0x01, 0x0a, 0x02));
	assert_int_equal(s5.typ_a, 2);
}

static void broken_s5_is_not_found(void **state)
{
	struct aml_s5 s5 = {9, 9};

	(void)state;
	assert_false(FINDS(&s5, '_', 'S', '5', '_'));
	assert_false(FINDS(&s5, S5_NAME));
	assert_false(FINDS(&s5, S5_NAME, 0x12));
	assert_false(FINDS(&s5, S5_NAME, 0x12, 0x06, 0x04, 0x00)); /* longer than the table */
	assert_false(
	    FINDS(&s5, S5_NAME, 0x12, 0x02, 0x04, 0x00, 0x00)); /* the elements are outside */
	assert_false(FINDS(&s5, S5_NAME, 0x12, 0x00, 0x04, 0x00, 0x00)); /* shorter than itself */
	assert_false(
	    FINDS(&s5, S5_NAME, 0x12, 0xff, 0xff, 0xff, 0xff)); /* a quarter of a gigabyte */
	assert_false(FINDS(&s5, S5_NAME, 0x12, 0x03, 0x00, 0x00, 0x00)); /* no element */
	assert_false(FINDS(&s5, S5_NAME, 0x12, 0x04, 0x01, 0x0a, 0x08)); /* no such sleep type */
	assert_false(FINDS(&s5, S5_NAME, 0x12, 0x05, 0x01, 0x0b, 0x05, 0x01));
	assert_false(
	    FINDS(&s5, S5_NAME, 0x12, 0x04, 0x01, 0x0e, 0x05)); /* not an integer we take */
	assert_int_equal(s5.typ_a, 9);
}

/* A MADT under construction. */
static struct {
	uint8_t bytes[2048];
	size_t length;
} table;

static int empty_table(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	table.length = sizeof(struct acpi_madt);
	return 0;
}

static void add(const void *entry, size_t size)
{
	memcpy(table.bytes + table.length, entry, size);
	table.length += size;
}

static void add_lapic(uint8_t id, uint32_t flags)
{
	struct acpi_madt_lapic e = {{ACPI_MADT_LAPIC, sizeof(e)}, id, id, flags};

	add(&e, sizeof(e));
}

static void add_x2apic(uint32_t id, uint32_t flags)
{
	struct acpi_madt_x2apic e = {{ACPI_MADT_X2APIC, sizeof(e)}, 0, id, flags, id};

	add(&e, sizeof(e));
}

static void enabled_processors_are_listed_in_order(void **state)
{
	struct madt m;

	(void)state;
	add_lapic(4, 1);
	add_lapic(2, 0); /* absent, may be plugged in */
	add_lapic(0, 1);
	add_x2apic(300, 1);
	add_x2apic(4, 1); /* the first one again */
	assert_true(madt_parse(&m, table.bytes, table.length));
	assert_int_equal(m.nr_cpus, 3);
	assert_int_equal(m.cpu[0], 4);
	assert_int_equal(m.cpu[1], 0);
	assert_int_equal(m.cpu[2], 300);
	assert_int_equal(m.left_out, 0);
}

static void processors_beyond_the_limit_are_counted(void **state)
{
	struct madt m;

	(void)state;
	for (unsigned i = 0; i < MADT_CPUS_MAX + 3; i++)
		add_x2apic(i, 1);
	assert_true(madt_parse(&m, table.bytes, table.length));
	assert_int_equal(m.nr_cpus, MADT_CPUS_MAX);
	assert_int_equal(m.left_out, 3);
}

static void isa_interrupts_follow_the_overrides(void **state)
{
	struct acpi_madt_override timer = {{ACPI_MADT_OVERRIDE, sizeof(timer)}, 0, 0, 2, 0};
	struct acpi_madt_override sci = {{ACPI_MADT_OVERRIDE, sizeof(sci)}, 0, 9, 9, 0xd};
	struct acpi_madt_override low = {{ACPI_MADT_OVERRIDE, sizeof(low)}, 0, 4, 20, 0xf};
	struct acpi_madt_override odd = {{ACPI_MADT_OVERRIDE, sizeof(odd)}, 0, 200, 1, 0};
	struct madt m;

	(void)state;
	add(&timer, sizeof(timer));
	add(&sci, sizeof(sci));
	add(&low, sizeof(low));
	add(&odd, sizeof(odd));
	assert_true(madt_parse(&m, table.bytes, table.length));
	assert_int_equal(m.isa[0].gsi, 2);
	assert_int_equal(m.isa[1].gsi, 1);
	assert_true(m.isa[9].level && !m.isa[9].active_low);
	assert_int_equal(m.isa[4].gsi, 20);
	assert_true(m.isa[4].level && m.isa[4].active_low);
}

static void the_nearest_controller_below_serves_a_gsi(void **state)
{
	struct acpi_madt_ioapic high = {{ACPI_MADT_IOAPIC, sizeof(high)}, 1, 0, 0xfec10000, 24};
	struct acpi_madt_ioapic low = {{ACPI_MADT_IOAPIC, sizeof(low)}, 0, 0, 0xfec00000, 0};
	struct madt m;
	uint64_t ma;
	uint32_t input;

	(void)state;
	assert_true(madt_parse(&m, table.bytes, table.length));
	assert_false(madt_find_ioapic(&m, 4, &ma, &input));
	add(&high, sizeof(high));
	add(&low, sizeof(low));
	assert_true(madt_parse(&m, table.bytes, table.length));
	assert_true(madt_find_ioapic(&m, 4, &ma, &input));
	assert_true(ma == 0xfec00000 && input == 4);
	assert_true(madt_find_ioapic(&m, 30, &ma, &input));
	assert_true(ma == 0xfec10000 && input == 6);
}

static void unknown_and_short_entries_are_passed_over(void **state)
{
	const uint8_t unknown[] = {0x77, 6, 1, 2, 3, 4};
	const uint8_t short_lapic[] = {ACPI_MADT_LAPIC, 4, 1, 1};
	struct madt m;

	(void)state;
	add(unknown, sizeof(unknown));
	add(short_lapic, sizeof(short_lapic));
	add_lapic(7, 1);
	assert_true(madt_parse(&m, table.bytes, table.length));
	assert_int_equal(m.nr_cpus, 1);
	assert_int_equal(m.cpu[0], 7);
}

static void a_broken_table_keeps_what_came_before(void **state)
{
	const uint8_t endless[] = {ACPI_MADT_LAPIC, 0};
	const uint8_t overlong[] = {ACPI_MADT_LAPIC, 200};
	struct madt m;

	(void)state;
	add_lapic(7, 1);
	add(endless, sizeof(endless));
	assert_false(madt_parse(&m, table.bytes, table.length));
	assert_int_equal(m.nr_cpus, 1);
	table.length -= sizeof(endless);
	add(overlong, sizeof(overlong));
	assert_false(madt_parse(&m, table.bytes, table.length));
	assert_int_equal(m.nr_cpus, 1);
	assert_false(madt_parse(&m, table.bytes, 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(qemu_s5_is_found),
	    cmocka_unit_test(rooted_s5_with_byte_constants_is_found),
	    cmocka_unit_test(words_and_ones_count_as_integers),
	    cmocka_unit_test(one_element_serves_both_registers),
	    cmocka_unit_test(a_mention_that_is_no_definition_is_passed_over),
	    cmocka_unit_test(broken_s5_is_not_found),
	    cmocka_unit_test_setup(enabled_processors_are_listed_in_order, empty_table),
	    cmocka_unit_test_setup(processors_beyond_the_limit_are_counted, empty_table),
	    cmocka_unit_test_setup(isa_interrupts_follow_the_overrides, empty_table),
	    cmocka_unit_test_setup(the_nearest_controller_below_serves_a_gsi, empty_table),
	    cmocka_unit_test_setup(unknown_and_short_entries_are_passed_over, empty_table),
	    cmocka_unit_test_setup(a_broken_table_keeps_what_came_before, empty_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
