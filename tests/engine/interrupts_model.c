/*
 * What a kernel says of a device's interrupts, and lets be written: the generic netlink family "netdev", /proc/irq and the device's
 * list of interrupts in sysfs. Linked into a test it takes the place of socket(2), send(2), open(2), openat(2), readlinkat(2) and
 * write(2) for these alone. All is in the folder $INTERRUPTS_MODEL:
 *
 *   queues       "TYPE NUMBER NAPI", one a line; TYPE 0 receives, NAPI 0 is not told
 *   napis        "NAPI INTERRUPT THREAD"; 0 is not told
 *   old          the kernel has no such family
 *   irq/41/      smp_affinity_list, folders by the names of who handles it, and `refuse`: errno of a write
 *   device       link to what the device is on its bus; msi, parent-msi: lists of interrupts, its own and its parent's
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAMILY 29

static int ours = -1, theirs = -1; /* the socket, and its other end */
static int refused = -1, refusal;  /* a descriptor that cannot be written to, and why */

static int fail(int code)
{
	errno = code;
	return -1;
}

static void model_path(char *path, size_t size, const char *name)
{
	const char *folder = getenv("INTERRUPTS_MODEL");
	snprintf(path, size, "%s/%s", folder != NULL ? folder : "/nowhere", name);
}

static FILE *model_file(const char *name)
{
	char path[256];
	model_path(path, sizeof(path), name);
	return fopen(path, "re");
}

/* --- generic netlink -------------------------------------------------------------------------------------------- */

struct message {
	struct nlmsghdr head;
	struct genlmsghdr command;
	uint8_t attributes[64];
};

static void attribute(struct message *message, uint16_t type, const void *value, uint16_t length)
{
	struct nlattr *one = (void *)((uint8_t *)message + message->head.nlmsg_len);
	*one = (struct nlattr){.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + length)};
	memcpy(one + 1, value, length);
	message->head.nlmsg_len += NLA_HDRLEN + NLA_ALIGN(length);
}

static struct message begin(uint16_t type, uint8_t command)
{
	return (struct message){.head = {.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = type},
	                        .command = {.cmd = command}};
}

static void answer(const void *message, size_t length)
{
	if (send(theirs, message, length, 0) != (ssize_t)length)
		abort();
}

static void finish(uint16_t type, int code)
{
	const struct {
		struct nlmsghdr head;
		int code;
	} end = {.head = {.nlmsg_len = sizeof(end), .nlmsg_type = type}, .code = code};
	answer(&end, sizeof(end));
}

static void tell_family(void)
{
	const uint16_t number = FAMILY;
	struct message message = begin(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
	FILE *old = model_file("old");
	if (old != NULL) {
		fclose(old);
		finish(NLMSG_ERROR, -ENOENT);
		return;
	}
	attribute(&message, CTRL_ATTR_FAMILY_NAME, "netdev", 7);
	attribute(&message, CTRL_ATTR_FAMILY_ID, &number, sizeof(number));
	answer(&message, message.head.nlmsg_len);
	finish(NLMSG_ERROR, 0);
}

/* As the kernel does: attributes of what there is not are left out. */
static void tell_all(const char *name, uint8_t command, const uint16_t types[3], uint16_t ifindex_type,
                     uint32_t ifindex, uint32_t always)
{
	uint32_t value[3];
	FILE *file = model_file(name);
	while (file != NULL && fscanf(file, "%u %u %u", &value[0], &value[1], &value[2]) == 3) {
		struct message message = begin(FAMILY, command);
		for (uint32_t i = 0; i < 3; i++)
			if (value[i] != 0 || i < always)
				attribute(&message, types[i], &value[i], sizeof(value[i]));
		attribute(&message, ifindex_type, &ifindex, sizeof(ifindex));
		answer(&message, message.head.nlmsg_len);
	}
	if (file != NULL)
		fclose(file);
	finish(NLMSG_DONE, 0);
}

static void serve(const struct message *question)
{
	uint32_t ifindex;
	memcpy(&ifindex, question->attributes + NLA_HDRLEN, sizeof(ifindex));
	if (question->head.nlmsg_type == GENL_ID_CTRL)
		tell_family();
	else if (question->head.nlmsg_type == FAMILY && question->command.cmd == 10 /* queue-get */)
		tell_all("queues", 10, (const uint16_t[]){3, 1, 4}, 2, ifindex, 2);
	else if (question->head.nlmsg_type == FAMILY && question->command.cmd == 11 /* napi-get */)
		tell_all("napis", 11, (const uint16_t[]){2, 3, 4}, 1, ifindex, 1);
	else
		finish(NLMSG_ERROR, -EOPNOTSUPP);
}

int socket(int domain, int type, int protocol)
{
	int ends[2];
	if (domain != AF_NETLINK || protocol != NETLINK_GENERIC)
		return (int)syscall(SYS_socket, domain, type, protocol);
	if (theirs >= 0)
		close(theirs);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	ours = ends[0];
	theirs = ends[1];
	return ours;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
	struct message question = {0};
	if (fd != ours || theirs < 0)
		return syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
	memcpy(&question, data, length < sizeof(question) ? length : sizeof(question));
	serve(&question);
	return (ssize_t)length;
}

/* --- files ------------------------------------------------------------------------------------------------------ */

/* The file of the model that stands for a path. False: none does. */
static bool is_modelled(const char *path, char *model, size_t size)
{
	const char *name = strncmp(path, "/proc/irq/", 10) == 0      ? path + 6
	                   : strcmp(path, "device/msi_irqs") == 0    ? "msi"
	                   : strcmp(path, "device/../msi_irqs") == 0 ? "parent-msi"
	                                                             : NULL;
	if (name != NULL)
		model_path(model, size, name);
	return name != NULL;
}

/* Why a file of an interrupt cannot be written to, 0: it can. */
static int refuses(const char *model)
{
	char path[300];
	int code = 0;
	const char *slash = strrchr(model, '/');
	snprintf(path, sizeof(path), "%.*s/refuse", (int)(slash - model), model);
	FILE *file = fopen(path, "re");
	if (file != NULL && fscanf(file, "%d", &code) != 1)
		abort();
	if (file != NULL)
		fclose(file);
	return code;
}

static int model_open(int folder, const char *path, int flags, mode_t mode)
{
	char model[256];
	if (!is_modelled(path, model, sizeof(model)))
		return (int)syscall(SYS_openat, folder, path, flags, mode);
	const bool writes = (flags & O_ACCMODE) != O_RDONLY;
	const int code = writes ? refuses(model) : 0;
	if (code == EACCES || code == EROFS)
		return fail(code);
	const int fd =
	    (int)syscall(SYS_openat, AT_FDCWD, model, flags | (writes && code == 0 ? O_TRUNC : 0), mode);
	if (code != 0) {
		refused = fd;
		refusal = code;
	} else if (fd == refused) {
		refused = -1;
	}
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return model_open(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return model_open(folder, path, flags, mode);
}

ssize_t readlinkat(int folder, const char *path, char *target, size_t size)
{
	char model[256];
	if (strcmp(path, "device") != 0)
		return syscall(SYS_readlinkat, folder, path, target, size);
	model_path(model, sizeof(model), path);
	return syscall(SYS_readlinkat, AT_FDCWD, model, target, size);
}

ssize_t write(int fd, const void *data, size_t length)
{
	if (fd == refused && fd >= 0) {
		refused = -1;
		return fail(refusal);
	}
	return syscall(SYS_write, fd, data, length);
}
