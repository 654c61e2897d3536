/* SPDX-License-Identifier: MIT */
/* For the guests of tests: xenstore from a Linux domU's shell, by the device that its kernel has for that. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

static int fd;

static int fail(const char *what)
{
	fprintf(stderr, "xenstore: %s\n", what);
	return 1;
}

static int transfer(struct xsd_sockmsg *head, char *payload)
{
	char error[XENSTORE_PAYLOAD_MAX + 1];
	uint32_t type = head->type;

	/* The kernel takes the message in any number of pieces. */
	if (write(fd, head, sizeof(*head)) != sizeof(*head) ||
	    write(fd, payload, head->len) != (ssize_t)head->len ||
	    read(fd, head, sizeof(*head)) != sizeof(*head) || head->len > XENSTORE_PAYLOAD_MAX)
		return fail("the kernel does not take part");
	for (uint32_t got = 0; got < head->len;) {
		ssize_t n = read(fd, error + got, head->len - got);

		if (n <= 0)
			return fail("no answer");
		got += (uint32_t)n;
	}
	error[head->len] = '\0';
	if (head->type != type)
		return fail(error);
	memcpy(payload, error, head->len + 1);
	return 0;
}

static int ask(uint32_t type, const char *path, const char *value)
{
	static char payload[XENSTORE_PAYLOAD_MAX + 1];
	struct xsd_sockmsg head = {.type = type};
	size_t length = strlen(path) + 1;

	if (length + (value ? strlen(value) : 0) > XENSTORE_PAYLOAD_MAX)
		return fail("too long");
	memcpy(payload, path, length);
	if (value) {
		memcpy(payload + length, value, strlen(value));
		length += strlen(value);
	}
	head.len = (uint32_t)length;
	if (transfer(&head, payload))
		return 1;
	if (type == XS_READ)
		printf("%s\n", payload);
	for (char *at = payload; type == XS_DIRECTORY && at < payload + head.len;
	     at += strlen(at) + 1)
		printf("%s\n", at);
	return 0;
}

int main(int argc, char **argv)
{
	fd = open("/dev/xen/xenbus", O_RDWR);
	if (fd < 0)
		return fail("no /dev/xen/xenbus");
	if (argc == 3 && !strcmp(argv[1], "read"))
		return ask(XS_READ, argv[2], NULL);
	if (argc == 3 && !strcmp(argv[1], "ls"))
		return ask(XS_DIRECTORY, argv[2], NULL);
	if (argc == 3 && !strcmp(argv[1], "rm"))
		return ask(XS_RM, argv[2], NULL);
	if (argc == 4 && !strcmp(argv[1], "write"))
		return ask(XS_WRITE, argv[2], argv[3]);
	return fail("usage: xenstore read|ls|rm PATH, xenstore write PATH VALUE");
}
