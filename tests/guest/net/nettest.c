/* SPDX-License-Identifier: MIT */
/*
 * Both ends of what is tried on a guest's network: `nettest serve` beside the host, the other verbs in the guest.
 *
 *   serve                              TCP and UDP on port 5001
 *   get|put HOST MiB STREAMS [plain]   every byte is checked by who receives it; plain: only counted
 *   rr HOST COUNT BYTES                so many messages there and back, one after the other
 *   udp HOST COUNT BYTES               the same in datagrams; one that is lost is sent again
 *   set INTERFACE sg|tx|rx|tso|gso|gro on|off
 *
 * A verb prints one line, "VERB ok NANOSECONDS" or "VERB bad WHY".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT        5001
#define CHUNK       (64u << 10)
#define MESSAGE_MAX 16384u

enum verb { GET, PUT, ECHO };

struct request {
	uint32_t verb, plain;
	uint64_t bytes; /* of an echo's message */
	uint64_t seed;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* splitmix64: a stream that tells every place from every other. */
static void fill(uint64_t *words, uint64_t at, uint64_t seed)
{
	for (unsigned i = 0; i < CHUNK / 8; i++) {
		uint64_t z = seed + (at / 8 + i + 1) * 0x9e3779b97f4a7c15ull;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ z >> 27) * 0x94d049bb133111ebull;
		words[i] = z ^ z >> 31;
	}
}

static bool send_all(int fd, const void *bytes, size_t length)
{
	for (const char *p = bytes; length;) {
		ssize_t n = send(fd, p, length, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		length -= n;
	}
	return true;
}

static bool receive_all(int fd, void *bytes, size_t length)
{
	return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static bool give(int fd, const struct request *r)
{
	static __thread uint64_t words[CHUNK / 8];

	for (uint64_t at = 0; at < r->bytes; at += CHUNK) {
		if (!r->plain)
			fill(words, at, r->seed);
		if (!send_all(fd, words, r->bytes - at < CHUNK ? r->bytes - at : CHUNK))
			return false;
	}
	return true;
}

static bool take(int fd, const struct request *r)
{
	static __thread uint64_t words[CHUNK / 8], wanted[CHUNK / 8];

	for (uint64_t at = 0; at < r->bytes; at += CHUNK) {
		size_t n = r->bytes - at < CHUNK ? r->bytes - at : CHUNK;

		if (!receive_all(fd, words, n))
			return false;
		if (r->plain)
			continue;
		fill(wanted, at, r->seed);
		if (memcmp(words, wanted, n))
			return false;
	}
	return true;
}

static void echo(int fd, uint64_t bytes)
{
	char message[MESSAGE_MAX];

	while (receive_all(fd, message, bytes) && send_all(fd, message, bytes))
		;
}

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument, one = 1;
	struct request r;
	char verdict;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (receive_all(fd, &r, sizeof(r))) {
		if (r.verb == GET) {
			give(fd, &r);
		} else if (r.verb == PUT) {
			verdict = take(fd, &r) ? 'y' : 'n';
			send_all(fd, &verdict, 1);
		} else if (r.bytes <= MESSAGE_MAX) {
			echo(fd, r.bytes);
		}
	}
	close(fd);
	return NULL;
}

static void *serve_udp(void *argument)
{
	int fd = (int)(intptr_t)argument;
	static char message[65536];
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(fd, message, sizeof(message), 0, (void *)&from, &length)) >= 0)
		sendto(fd, message, n, 0, (void *)&from, length);
	return NULL;
}

static struct sockaddr_in address(const char *host)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	a.sin_addr.s_addr = inet_addr(host);
	return a;
}

static int serve(void)
{
	struct sockaddr_in at = address("0.0.0.0");
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	pthread_t thread;

	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(tcp, (void *)&at, sizeof(at)) || listen(tcp, 64) ||
	    bind(udp, (void *)&at, sizeof(at))) {
		perror("nettest");
		return 1;
	}
	pthread_create(&thread, NULL, serve_udp, (void *)(intptr_t)udp);
	for (;;) {
		int fd = accept(tcp, NULL, NULL);

		if (fd >= 0 && !pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
			pthread_detach(thread);
	}
}

static int dial(const char *host, int type)
{
	struct sockaddr_in to = address(host);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (void *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool transfer(const char *host, struct request r)
{
	int fd = dial(host, SOCK_STREAM);
	char verdict = 0;
	bool good = fd >= 0 && send_all(fd, &r, sizeof(r));

	if (r.verb == GET)
		good = good && take(fd, &r);
	else
		good = good && give(fd, &r) && receive_all(fd, &verdict, 1) && verdict == 'y';
	close(fd);
	return good;
}

static bool streams(const char *host, enum verb verb, uint64_t bytes, unsigned count, bool plain)
{
	bool good = true;
	int status;

	for (unsigned i = 0; i < count; i++) {
		struct request r = {verb, plain, bytes, i * 1000003ull + bytes};

		if (count == 1)
			return transfer(host, r);
		if (!fork())
			_exit(!transfer(host, r));
	}
	while (wait(&status) >= 0)
		good = good && status == 0;
	return good;
}

static bool rr(const char *host, unsigned count, unsigned bytes)
{
	char message[MESSAGE_MAX], answer[MESSAGE_MAX];
	struct request r = {ECHO, 0, bytes, 0};
	int fd = dial(host, SOCK_STREAM);
	bool good = fd >= 0 && bytes <= MESSAGE_MAX && send_all(fd, &r, sizeof(r));

	for (unsigned i = 0; good && i < count; i++) {
		memset(message, i, bytes);
		good = send_all(fd, message, bytes) && receive_all(fd, answer, bytes) &&
		       !memcmp(message, answer, bytes);
	}
	close(fd);
	return good;
}

static bool udp(const char *host, unsigned count, unsigned bytes)
{
	static char message[65536], answer[65536];
	struct timeval patience = {2, 0};
	int fd = dial(host, SOCK_DGRAM);
	unsigned lost = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (unsigned i = 0; i < count && lost <= count / 8; i++) {
		memset(message, i, bytes);
		memcpy(message, &i, sizeof(i));
		send(fd, message, bytes, 0);
		/* An answer to an earlier one may still come. */
		do {
			if (recv(fd, answer, sizeof(answer), 0) != (ssize_t)bytes) {
				lost++;
				i--;
				break;
			}
		} while (memcmp(message, answer, sizeof(i)));
		if (!memcmp(message, answer, sizeof(i)) && memcmp(message, answer, bytes))
			return false;
	}
	return lost <= count / 8;
}

static bool set(const char *interface, const char *feature, bool on)
{
	static const struct {
		const char *name;
		uint32_t get, set;
	} features[] = {
	    {"rx", ETHTOOL_GRXCSUM, ETHTOOL_SRXCSUM}, {"tx", ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM},
	    {"sg", ETHTOOL_GSG, ETHTOOL_SSG},         {"tso", ETHTOOL_GTSO, ETHTOOL_STSO},
	    {"gso", ETHTOOL_GGSO, ETHTOOL_SGSO},      {"gro", ETHTOOL_GGRO, ETHTOOL_SGRO},
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ethtool_value value = {.data = on};
	struct ifreq request = {.ifr_data = (void *)&value};

	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (strcmp(features[i].name, feature))
			continue;
		value.cmd = features[i].set;
		if (ioctl(fd, SIOCETHTOOL, &request))
			return false;
		value.cmd = features[i].get;
		return !ioctl(fd, SIOCETHTOOL, &request) && value.data == on;
	}
	return false;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	uint64_t began = now();
	bool good = false;

	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(verb, "serve"))
		return serve();
	if (argc < 5)
		return 2;
	if (!strcmp(verb, "get") || !strcmp(verb, "put"))
		good = streams(argv[2], *verb == 'g' ? GET : PUT, strtoull(argv[3], 0, 0) << 20,
			       atoi(argv[4]), argc > 5);
	else if (!strcmp(verb, "rr"))
		good = rr(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (!strcmp(verb, "udp"))
		good = udp(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (!strcmp(verb, "set"))
		good = set(argv[2], argv[3], !strcmp(argv[4], "on"));
	printf("%s %s %llu\n", verb, good ? "ok" : "bad", (unsigned long long)(now() - began));
	return !good;
}
