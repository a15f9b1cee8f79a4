/*
 * Interrupts of queues, and threads of NAPI, go to the cores of the queues' owners and back (netdev_affinity.c, netdev_servers.c,
 * netdev_names.c): the device is a veth that is up, what the kernel says of its interrupts is a model's (interrupts_model.c), and
 * its threads are a child of this program by their name.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "port/netdev_linux.h"
#include "port/port.h"

static char root[] = "/tmp/netmill-affinity-XXXXXX", rundir[64];
static struct mill_changes changes;
static int machines;

static struct mill_netdev device_with(struct mill_changes *of)
{
	return (struct mill_netdev){.kind = "xdp",
	                            .ifname = "wire",
	                            .rundir = rundir,
	                            .ifindex = if_nametoindex("wire"),
	                            .changes = of};
}

static void put(const char *name, const char *text)
{
	CHECK(shell("cd %s/%d && mkdir -p $(dirname %s) && printf '%%s\\n' '%s' >%s", root, machines, name,
	            text, name) == 0,
	      "the model's %s", name);
}

static void handled_by(const char *list, uint32_t irq, const char *name)
{
	CHECK(shell("cd %s/%d && mkdir -p irq/%u/%s %s && : >%s/%u", root, machines, irq, name, list, list,
	            irq) == 0,
	      "interrupt %u of %s", irq, name);
}

static void stands_at(uint32_t irq, const char *list)
{
	char name[64];
	snprintf(name, sizeof(name), "irq/%u/smp_affinity_list", irq);
	put(name, list);
}

static void refuse(uint32_t irq, int code)
{
	char name[64], text[16];
	snprintf(name, sizeof(name), "irq/%u/refuse", irq);
	snprintf(text, sizeof(text), "%d", code);
	put(name, text);
}

static void expect_at(uint32_t irq, const char *expected)
{
	char path[96], text[128] = "";
	snprintf(path, sizeof(path), "%s/%d/irq/%u/smp_affinity_list", root, machines, irq);
	FILE *file = fopen(path, "re");
	CHECK(file != NULL && fgets(text, sizeof(text), file) != NULL, "interrupt %u", irq);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	CHECK(strcmp(text, expected) == 0, "interrupt %u at %s, got %s", irq, expected, text);
}

/* A new one: two queues, each with a NAPI and an interrupt of its own. */
static void new_machine(void)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/%d", root, ++machines);
	CHECK(mkdir(path, 0700) == 0 && setenv("INTERRUPTS_MODEL", path, 1) == 0, "%s", path);
	memset(&changes, 0, sizeof(changes));
	put("queues", "0 0 5 0 1 6 1 0 5 1 1 6");
	put("napis", "6 42 0 5 41 0");
	stands_at(41, "0-3");
	stands_at(42, "0,2-3,8");
}

static struct mill_affinity two(uint32_t first, uint32_t second)
{
	return (struct mill_affinity){
	    .n_queues = 2, .n = 2, .whole = true, .queue = {0, 1}, .core = {first, second}};
}

static struct mill_error apply(struct mill_changes *of, const struct mill_affinity *wanted)
{
	const struct mill_netdev device = device_with(of);
	struct mill_error why = {0};
	mill_affinity_apply(&device, wanted, &why);
	return why;
}

static void expect_moved(const struct mill_affinity *wanted)
{
	const struct mill_error why = apply(&changes, wanted);
	CHECK(why.code == 0, "%s", why.text);
}

static void expect_said(const struct mill_affinity *wanted, const char *expected)
{
	const struct mill_error why = apply(&changes, wanted);
	CHECK(strstr(why.text, expected) != NULL, "'%s' to be said, got '%s'", expected, why.text);
}

static void restore(struct mill_changes *of)
{
	const struct mill_netdev device = device_with(of);
	mill_affinity_restore(&device);
}

static void expect_clean(void)
{
	static const struct mill_changes none;
	CHECK(memcmp(&changes, &none, sizeof(none)) == 0 && shell("test ! -e %s/device-wire", rundir) == 0,
	      "nothing left to put back");
}

static void test_there_and_back(void)
{
	const struct mill_affinity one = two(3, 70), other = two(1, 3), no = {.n_queues = 2},
	                           second = {.n_queues = 2, .n = 1, .queue = {1}, .core = {9}};
	new_machine();
	expect_moved(&one);
	expect_at(41, "3");
	expect_at(42, "70");
	expect_moved(&other);
	expect_at(41, "1");
	expect_at(42, "3");
	expect_moved(&second);
	expect_at(41, "0-3");
	expect_at(42, "9");
	expect_moved(&no);
	expect_at(42, "0,2-3,8");
	expect_clean();
	stands_at(41, "1");
	expect_moved(&other);
	CHECK(changes.n_steered == 1, "what is there already not to be moved");
	restore(&changes);
	expect_at(41, "1");
	expect_at(42, "0,2-3,8");
	expect_clean();
	printf("ok interrupts go to their queues' owners, follow them, and go back\n");
}

static void test_shared(void)
{
	const struct mill_affinity wanted = two(3, 1);
	new_machine();
	put("queues", "0 0 5 0 1 5 1 0 6 1 1 6");
	expect_moved(&wanted);
	expect_at(41, "3");
	expect_at(42, "3");
	restore(&changes);
	expect_at(41, "0-3");
	printf("ok an interrupt of several queues goes to the first one's owner\n");
}

static void test_moved_since(void)
{
	const struct mill_affinity wanted = two(3, 1), other = two(2, 0);
	new_machine();
	expect_moved(&wanted);
	stands_at(41, "0-1"); /* an operator */
	expect_moved(&wanted);
	expect_at(41, "0-1");
	restore(&changes);
	expect_at(41, "0-1");
	expect_at(42, "0,2-3,8");
	expect_clean();
	expect_moved(&wanted);
	stands_at(41, "1-2");
	expect_moved(&other);
	expect_at(41, "2");
	restore(&changes);
	expect_at(41, "1-2");
	printf("ok what somebody has moved since stays where he put it\n");
	stands_at(41, "0-3");
	expect_moved(&wanted);
	stands_at(41, "0-3"); /* the driver asked for it anew */
	expect_moved(&wanted);
	expect_at(41, "3");
	restore(&changes);
	expect_at(41, "0-3");
	printf("ok an interrupt that its driver asks for anew is moved again\n");
}

static void test_refused(void)
{
	static const struct {
		int code;
		const char *expected;
	} cases[] = {{EIO, "the kernel places it by itself"},
	             {EACCES, "needs uid 0"},
	             {EPERM, "needs uid 0"},
	             {EINVAL, "is there such a core?"}};
	const struct mill_affinity wanted = two(3, 1), other = two(2, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		new_machine();
		refuse(41, cases[i].code);
		expect_said(&wanted, cases[i].expected);
		expect_said(&wanted, "interrupt 41 does not go to core 3");
		expect_at(41, "0-3");
		expect_at(42, "1");
		CHECK(changes.n_steered == 1, "the other alone to be put back");
		restore(&changes);
		expect_at(41, "0-3");
		expect_at(42, "0,2-3,8");
		expect_clean();
	}
	new_machine();
	expect_moved(&wanted);
	refuse(42, EIO);
	expect_said(&other, "interrupt 42 does not go to core 0");
	expect_at(41, "2");
	expect_at(42, "1");
	CHECK(shell("rm %s/%d/irq/42/refuse", root, machines) == 0, "allowed again");
	restore(&changes);
	expect_at(41, "0-3");
	expect_at(42, "0,2-3,8");
	printf("ok what cannot be moved is told, and all else is moved and put back\n");
}

/* Those who have nothing but the run directory. */
static void test_successor(void)
{
	const struct mill_affinity wanted = two(3, 1), other = two(2, 0);
	struct mill_changes later = {0}, none = {0};
	const struct mill_netdev successor = device_with(&later);
	new_machine();
	expect_moved(&wanted);
	mill_netdev_recall(&successor);
	CHECK(apply(&later, &other).code == 0, "another's wish");
	expect_at(41, "2");
	mill_netdev_restore(&successor);
	expect_at(41, "0-3");
	expect_at(42, "0,2-3,8");
	CHECK(memcmp(&later, &none, sizeof(none)) == 0 && shell("test ! -e %s/device-wire", rundir) == 0,
	      "nothing left to put back");

	new_machine();
	expect_moved(&wanted);
	stands_at(41, "0-3"); /* written down, and dead before it was moved */
	changes.steered[0].core = 2;
	stands_at(42, "1"); /* dead in the middle of a move: it may be at either */
	changes.steered[1].core = 0;
	restore(&changes);
	expect_at(41, "0-3");
	expect_at(42, "0,2-3,8");
	printf("ok an engine that knows it from the run directory alone puts it back, whenever the last one "
	       "died\n");
}

static void expect_untouched(const struct mill_affinity *wanted, const char *why)
{
	expect_said(wanted, why);
	CHECK(changes.n_steered == 0, "nothing moved, got %u", changes.n_steered);
	expect_at(41, "0-3");
	expect_at(42, "0,2-3,8");
}

/* Without the family, or with a driver that does not tell. */
static void test_names(void)
{
	const struct mill_affinity wanted = two(3, 1),
	                           one = {.n_queues = 1, .n = 1, .whole = true, .core = {2}};
	static const char *const forms[][2] = {{"wire-TxRx-0", "wire-TxRx-1"},
	                                       {"ice-wire-TxRx-0", "ice-wire-TxRx-1"},
	                                       {"wire-Tx-Rx-0", "wire-Tx-Rx-1"},
	                                       {"wire-rx-0", "wire-rx-1"}},
	                         *const wrong[][2] = {
	                             {"wire-TxRx-1", "wire-TxRx-2"},   {"wire-TxRx-0", "wire-TxRx-0"},
	                             {"other-TxRx-0", "other-TxRx-1"}, {"barbwire-TxRx-0", "barbwire-TxRx-1"},
	                             {"wire-TxRx-0", "wire"},          {"wire-tx-0", "wire-tx-1"},
	                             {"wire-TxRx-0x", "wire-TxRx-1x"}};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		new_machine();
		put("old", "");
		handled_by("msi", 40, "wire");
		handled_by("msi", 41, forms[i][0]);
		handled_by("msi", 42, forms[i][1]);
		expect_moved(&wanted);
		expect_at(41, "3");
		expect_at(42, "1");
		restore(&changes);
		expect_at(42, "0,2-3,8");
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		new_machine();
		put("old", "");
		handled_by("msi", 41, wrong[i][0]);
		handled_by("msi", 42, wrong[i][1]);
		expect_untouched(&wanted, "a kernel before 6.8 cannot be asked");
	}
	new_machine();
	put("old", "");
	handled_by("msi", 41, "wire-TxRx-0");
	handled_by("msi", 42, "wire-TxRx-1");
	handled_by("msi", 43, "wire-TxRx-2");
	expect_untouched(&wanted, "nobody says");
	new_machine();
	put("old", "");
	handled_by("msi", 41, "wire-TxRx-0");
	handled_by("msi", 42, "wire-TxRx-1");
	handled_by("msi", 43, "wire-rx-0");
	expect_untouched(&wanted, "nobody says");
	new_machine();
	put("old", "");
	handled_by("msi", 41, "anything");
	expect_moved(&one);
	expect_at(41, "2");
	restore(&changes);
	printf("ok where nobody tells, interrupts go by their names, if these leave no doubt\n");
}

/* A virtio device's interrupts are its parent's; its driver tells of NAPIs, and not of interrupts. */
static void test_virtio(void)
{
	const struct mill_affinity wanted = two(3, 1);
	new_machine();
	CHECK(shell("cd %s/%d && ln -s ../../../virtio4 device", root, machines) == 0, "a device");
	put("napis", "5 0 0 6 0 0");
	handled_by("parent-msi", 40, "virtio4-config");
	handled_by("parent-msi", 41, "virtio4-input.0");
	handled_by("parent-msi", 42, "virtio4-input.1");
	handled_by("parent-msi", 43, "virtio4-output.0");
	handled_by("parent-msi", 44, "virtio4-output.1");
	stands_at(43, "0-7");
	stands_at(44, "0-7");
	expect_moved(&wanted);
	expect_at(41, "3");
	expect_at(43, "3");
	expect_at(44, "1");
	restore(&changes);
	expect_at(44, "0-7");
	CHECK(shell("cd %s/%d && rm device && ln -s ../../../virtio5 device", root, machines) == 0,
	      "another");
	expect_untouched(&wanted, "neither its driver, nor their names");
	CHECK(shell("cd %s/%d && rm device && ln -s ../../../pci4 device", root, machines) == 0, "no virtio");
	expect_untouched(&wanted, "no interrupts of its own");
	printf("ok interrupts of a virtio device are found by its name on the bus\n");
}

/* A driver that does not say which NAPI is which queue's. */
static void test_unnamed(void)
{
	struct mill_affinity wanted = two(3, 3);
	new_machine();
	put("queues", "0 0 0 0 1 0 0 2 0");
	wanted.n_queues = 3;
	wanted.whole = false;
	expect_untouched(&wanted, "neither its driver, nor their names");
	wanted.whole = true;
	expect_moved(&wanted);
	expect_at(41, "3");
	expect_at(42, "3");
	wanted.core[1] = 1;
	(void)apply(&changes, &wanted);
	expect_at(41, "0-3");
	expect_at(42, "0,2-3,8");
	printf("ok NAPIs of unknown queues are moved only where all of the device's go to one core\n");
}

static void test_down(void)
{
	const struct mill_affinity wanted = two(3, 1), other = two(1, 2);
	new_machine();
	expect_moved(&wanted);
	CHECK(shell("ip link set wire down") == 0, "down");
	expect_moved(&other);
	expect_at(41, "3");
	CHECK(shell("ip link set wire up") == 0, "up");
	expect_moved(&other);
	expect_at(41, "1");
	put("queues", "");
	put("napis", "");
	expect_moved(&wanted);
	expect_at(41, "1");
	restore(&changes);
	expect_at(41, "0-3");
	printf("ok nothing is moved as long as nothing is known of a device\n");
}

/* --- threads ---------------------------------------------------------------------------------------------------- */

static int rename_pipe[2];

/* Answers to a name; takes another one when told. */
static pid_t start_thread(void)
{
	int ready[2];
	char byte = 0;
	CHECK(pipe(ready) == 0 && pipe(rename_pipe) == 0, "pipes");
	const pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "napi/wire-7");
		if (write(ready[1], &byte, 1) != 1 || read(rename_pipe[0], &byte, 1) != 1)
			_exit(1);
		prctl(PR_SET_NAME, "napi/other-7");
		pause();
		_exit(0);
	}
	CHECK(read(ready[0], &byte, 1) == 1, "a thread");
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void expect_cores(pid_t thread, bool first, bool second)
{
	cpu_set_t set;
	CHECK(sched_getaffinity(thread, sizeof(set), &set) == 0, "%s", strerror(errno));
	CHECK(CPU_ISSET(0, &set) == first && CPU_ISSET(1, &set) == second, "cores 0: %d and 1: %d", first,
	      second);
}

static void allow_both(pid_t thread)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CPU_SET(1, &set);
	CHECK(sched_setaffinity(thread, sizeof(set), &set) == 0, "%s", strerror(errno));
}

static void test_threads(void)
{
	const struct mill_affinity wanted = two(3, 1), other = two(3, 0);
	char napis[64];
	cpu_set_t have;
	if (sched_getaffinity(0, sizeof(have), &have) != 0 || !CPU_ISSET(0, &have) || !CPU_ISSET(1, &have)) {
		printf("skip threads of NAPI go with their interrupts: needs processors 0 and 1\n");
		return;
	}
	const pid_t thread = start_thread();
	allow_both(thread);
	new_machine();
	snprintf(napis, sizeof(napis), "6 42 %d 5 41 0", (int)thread);
	put("napis", napis);
	expect_moved(&wanted);
	expect_cores(thread, false, true);
	expect_at(42, "1");
	CHECK(changes.n_steered == 3, "two interrupts and a thread");
	expect_moved(&other);
	expect_cores(thread, true, false);
	restore(&changes);
	expect_cores(thread, true, true);
	expect_clean();
	printf("ok threads of NAPI go with their interrupts\n");

	expect_moved(&wanted);
	const uint32_t before = changes.n_steered;
	CHECK(write(rename_pipe[1], "", 1) == 1, "another thread of that number");
	for (int i = 0; i < 1000 && shell("grep -q other /proc/%d/comm", (int)thread) != 0; i++)
		usleep(1000);
	restore(&changes);
	expect_cores(thread, false, true);
	CHECK(before == 3, "it had been moved");
	snprintf(napis, sizeof(napis), "6 42 %d 5 41 0", (int)getpid());
	put("napis", napis);
	allow_both(getpid());
	expect_moved(&wanted);
	expect_cores(getpid(), true, true);
	restore(&changes);
	kill(thread, SIGKILL);
	waitpid(thread, NULL, 0);
	printf("ok a process that has but the number of one is left alone\n");
}

static int run_tests(void)
{
	snprintf(rundir, sizeof(rundir), "%s/run", mkdtemp(root));
	CHECK(
	    mkdir(rundir, 0700) == 0 &&
	        shell("ip link add wire numrxqueues 2 type veth peer name other && ip link set wire up && ip "
	              "link set other up") == 0,
	    "a device");
	test_there_and_back();
	test_shared();
	test_moved_since();
	test_refused();
	test_successor();
	test_names();
	test_virtio();
	test_unnamed();
	test_down();
	test_threads();
	return shell("rm -rf %s", root);
}

int main(void)
{
	return spaces_run("ip", run_tests);
}
