/* SPDX-License-Identifier: MIT */
#include "disk/vhdx.h"
#include "tests/unit/test_vhdx_tool.h"

/* RFC 3720, B.4 */
static void known_vectors_hold(void **state)
{
	uint8_t data[32];

	(void)state;
	memset(data, 0, sizeof(data));
	assert_int_equal(vhdx_crc32c(0, data, sizeof(data)), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(vhdx_crc32c(0, data, sizeof(data)), 0x62a8ab43);
	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = i;
	assert_int_equal(vhdx_crc32c(0, data, sizeof(data)), 0x46dd794e);
	assert_int_equal(vhdx_crc32c(0, "123456789", 9), 0xe3069283);
}

static void instruction_and_table_agree_at_every_length_and_alignment(void **state)
{
	uint8_t data[300];

	(void)state;
	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = i * 37 + 11;
	for (unsigned int start = 0; start < 9; start++)
		for (unsigned int length = 0; length + start <= sizeof(data); length++)
			assert_int_equal(vhdx_crc32c(7, data + start, length),
					 vhdx_crc32c_portable(7, data + start, length));
}

static void pieces_make_the_whole(void **state)
{
	(void)state;
	assert_int_equal(vhdx_crc32c(vhdx_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void checksum_takes_its_own_field_as_zero(void **state)
{
	uint8_t a[64] = {1, 2, 3, 4, 0, 0, 0, 0, 9}, b[64];

	(void)state;
	memcpy(b, a, sizeof(b));
	memset(b + 4, 0x5a, 4);
	assert_int_equal(vhdx_checksum(a, sizeof(a)), vhdx_checksum(b, sizeof(b)));
	assert_int_equal(vhdx_checksum(a, sizeof(a)), vhdx_crc32c(0, a, sizeof(a)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_vectors_hold),
	    cmocka_unit_test(instruction_and_table_agree_at_every_length_and_alignment),
	    cmocka_unit_test(pieces_make_the_whole),
	    cmocka_unit_test(checksum_takes_its_own_field_as_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
