/* SPDX-License-Identifier: MIT */
#include "core/options.h"

#include "core/fmt.h"
#include "core/number.h"
#include "core/string.h"

#define QUOTE_MAX   60 /* bytes of a bad word that its error shows */
#define ALLOWED_MAX 120

/* A word of the line, not NUL-terminated, and where its '=' is. */
struct word {
	const char *text;
	size_t len, name_len;
	const char *value; /* NULL: no '=' */
	size_t value_len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_spaces(const char *s)
{
	while (is_space(*s)) {
		s++;
	}
	return s;
}

static size_t word_length(const char *s)
{
	size_t len = 0;

	while (s[len] != '\0' && !is_space(s[len])) {
		len++;
	}
	return len;
}

static struct word split(const char *text)
{
	struct word w = {.text = text, .len = word_length(text)};
	const char *equals = memchr(text, '=', w.len);

	w.name_len = equals != NULL ? (size_t)(equals - text) : w.len;
	if (equals != NULL) {
		w.value = equals + 1;
		w.value_len = w.len - w.name_len - 1;
	}
	return w;
}

static bool is(const char *text, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(text, what, len) == 0;
}

static const char suffixes[] = "KMGT";

static bool parse_size(const char *s, size_t len, uint64_t *value)
{
	const char *suffix = len > 0 ? memchr(suffixes, s[len - 1], sizeof(suffixes) - 1) : NULL;
	unsigned int shift = suffix != NULL ? 10 * (suffix - suffixes + 1) : 0;

	if (!number_parse(s, len - (suffix != NULL), value) || *value > UINT64_MAX >> shift) {
		return false;
	}
	*value <<= shift;
	return true;
}

static bool parse_bool(const struct word *w, bool *value)
{
	static const char *const words[] = {"off", "on", "no", "yes", "0", "1"};

	if (w->value == NULL) {
		*value = true;
		return true;
	}
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is(w->value, w->value_len, words[i])) {
			*value = i % 2;
			return true;
		}
	}
	return false;
}

static bool parse_choice(const struct option *o, const struct word *w, unsigned int *value)
{
	for (unsigned int i = 0; o->choices[i] != NULL; i++) {
		if (is(w->value, w->value_len, o->choices[i])) {
			*value = i;
			return true;
		}
	}
	return false;
}

static bool in_range(const struct option *o, uint64_t value)
{
	return o->min <= value && value <= o->max;
}

/* False: the value is not one that the option takes; the field is then as it was. */
static bool set(const struct option *o, const struct word *w, void *field)
{
	unsigned int choice;
	uint64_t number;

	if (o->kind == OPTION_BOOL) {
		return parse_bool(w, field);
	}
	if (w->value == NULL) {
		return false;
	}
	switch (o->kind) {
	case OPTION_UINT:
	case OPTION_SIZE:
		if (!(o->kind == OPTION_UINT ? number_parse : parse_size)(w->value, w->value_len,
									  &number) ||
		    !in_range(o, number)) {
			return false;
		}
		memcpy(field, &number, sizeof(number));
		return true;
	case OPTION_ENUM:
		if (!parse_choice(o, w, &choice)) {
			return false;
		}
		memcpy(field, &choice, sizeof(choice));
		return true;
	default:
		if (w->value_len == 0 || w->value_len > o->max) {
			return false;
		}
		memcpy(field, w->value, w->value_len);
		((char *)field)[w->value_len] = '\0';
		return true;
	}
}

/* Appends to a text of *len bytes in buf. */
#define ADD(...) \
	(len += fmt(buf + (len < size ? len : size), len < size ? size - len : 0, __VA_ARGS__))

static size_t list_choices(const char *const *choices, char *buf, size_t size)
{
	size_t len = 0;

	for (unsigned int i = 0; choices[i] != NULL; i++) {
		const char *before = i == 0 ? "" : choices[i + 1] != NULL ? ", " : " or ";

		ADD("%s%s", before, choices[i]);
	}
	return len;
}

/* The largest suffix that divides the size. */
static size_t print_size(uint64_t bytes, char *buf, size_t size)
{
	unsigned int i = 0;

	while (bytes != 0 && bytes % 1024 == 0 && i < sizeof(suffixes) - 1) {
		bytes /= 1024;
		i++;
	}
	return fmt(buf, size, "%lu%.*s", bytes, i > 0, suffixes + (i > 0 ? i - 1 : 0));
}

size_t options_allowed(const struct option *o, char *buf, size_t size)
{
	char min[24], max[24];

	switch (o->kind) {
	case OPTION_BOOL: return fmt(buf, size, "on or off");
	case OPTION_ENUM: return list_choices(o->choices, buf, size);
	case OPTION_TEXT: return fmt(buf, size, "1..%lu bytes of text", o->max);
	case OPTION_SIZE:
		print_size(o->min, min, sizeof(min));
		print_size(o->max, max, sizeof(max));
		return fmt(buf, size, "a size of %s..%s", min, max);
	default:
		return o->min == o->max ? fmt(buf, size, "%lu", o->min)
					: fmt(buf, size, "%lu..%lu", o->min, o->max);
	}
}

/* The word as an error may show it: short, and nothing that a terminal could act upon. */
static void quote(const struct word *w, char quoted[QUOTE_MAX + 1])
{
	size_t len = w->len < QUOTE_MAX ? w->len : QUOTE_MAX;

	for (size_t i = 0; i < len; i++) {
		quoted[i] = w->text[i] >= ' ' && w->text[i] <= '~' ? w->text[i] : '?';
	}
	quoted[len] = '\0';
}

static bool parse_word(const struct option *table, size_t count, const struct word *w, void *fields,
		       char *error, size_t size)
{
	char quoted[QUOTE_MAX + 1], allowed[ALLOWED_MAX];

	quote(w, quoted);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = &table[i];

		if (!is(w->text, w->name_len, o->name)) {
			continue;
		}
		if (!set(o, w, (char *)fields + o->offset)) {
			options_allowed(o, allowed, sizeof(allowed));
			fmt(error, size, "option '%s': expected %s", quoted, allowed);
			return false;
		}
		return true;
	}
	fmt(error, size, "unknown option '%s'", quoted);
	return false;
}

bool options_parse(const struct option *table, size_t count, const char *line, void *fields,
		   char *error, size_t size)
{
	if (strnlen(line, OPTIONS_LINE_MAX + 1) > OPTIONS_LINE_MAX) {
		fmt(error, size, "the command line is longer than %u bytes", OPTIONS_LINE_MAX);
		return false;
	}
	for (line = skip_spaces(line); *line != '\0'; line = skip_spaces(line)) {
		struct word w = split(line);

		if (!parse_word(table, count, &w, fields, error, size)) {
			return false;
		}
		line += w.len;
	}
	return true;
}

const char *options_after_name(const char *line)
{
	const char *word = skip_spaces(line);
	size_t len = word_length(word);

	if (*word == '/' || *word == '(' || is(word, len, "placeholder")) {
		word = skip_spaces(word + len);
	}
	return word;
}
