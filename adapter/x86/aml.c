/* SPDX-License-Identifier: MIT */
#include "adapter/x86/aml.h"

#include "abi/x86/acpi.h"
#include "core/string.h"

struct cursor {
	const uint8_t *at, *end;
};

static bool take_byte(struct cursor *c, uint8_t *byte)
{
	if (c->at == c->end)
		return false;
	*byte = *c->at++;
	return true;
}

/* PkgLength (20.2.4) counts itself. Narrows the cursor to the package; false where that does not fit. */
static bool take_package_length(struct cursor *c)
{
	const uint8_t *start = c->at;
	uint8_t lead, next;
	size_t length;

	if (!take_byte(c, &lead))
		return false;
	length = lead >> 6 ? lead & 0x0f : lead & 0x3f;
	for (unsigned i = 0; i < lead >> 6; i++) {
		if (!take_byte(c, &next))
			return false;
		length |= (size_t)next << (4 + 8 * i);
	}
	if (length < (size_t)(c->at - start) || length > (size_t)(c->end - start))
		return false;
	c->end = start + length;
	return true;
}

/* An integer constant (20.2.3) that can be a sleep type. */
static bool take_sleep_type(struct cursor *c, uint8_t *value)
{
	uint8_t op, byte;
	unsigned more;

	if (!take_byte(c, &op))
		return false;
	switch (op) {
	case AML_ZERO: *value = 0; return true;
	case AML_ONE: *value = 1; return true;
	case AML_BYTE: more = 0; break;
	case AML_WORD: more = 1; break;
	case AML_DWORD: more = 3; break;
	default: return false;
	}
	if (!take_byte(c, value))
		return false;
	while (more--)
		if (!take_byte(c, &byte) || byte)
			return false;
	return *value <= ACPI_SLP_TYP_MAX;
}

/* Right after the name. */
static bool parse_package(struct cursor c, struct aml_s5 *s5)
{
	struct aml_s5 found;
	uint8_t op, elements;

	if (!take_byte(&c, &op) || op != AML_PACKAGE || !take_package_length(&c))
		return false;
	if (!take_byte(&c, &elements) || elements < 1 || !take_sleep_type(&c, &found.typ_a))
		return false;
	/* Some firmware gives one element: then there is no PM1b. */
	found.typ_b = found.typ_a;
	if (elements > 1 && !take_sleep_type(&c, &found.typ_b))
		return false;
	*s5 = found;
	return true;
}

static bool named(const uint8_t *name, size_t before)
{
	return (before >= 1 && name[-1] == AML_NAME) ||
	       (before >= 2 && name[-1] == AML_ROOT_PREFIX && name[-2] == AML_NAME);
}

bool aml_find_s5(const void *aml, size_t size, struct aml_s5 *s5)
{
	const uint8_t *bytes = aml;

	for (size_t i = 1; i + 4 <= size; i++)
		if (bytes[i] == '_' && !memcmp(bytes + i, "_S5_", 4) && named(bytes + i, i) &&
		    parse_package((struct cursor){bytes + i + 4, bytes + size}, s5))
			return true;
	return false;
}
