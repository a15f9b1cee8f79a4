/*
 * What a port changes of its device is put back: by the engine that changed it, and by one that comes after everybody
 * died and knows it from the run directory alone.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "port/netdev_linux.h"
#include "port/port.h"

static char rundir[] = "/tmp/netmill-netdev-XXXXXX";

static void expect_napi(long defer, long timeout)
{
	CHECK(shell("test $(cat /sys/class/net/wire/napi_defer_hard_irqs) = %ld -a "
	            "$(cat /sys/class/net/wire/gro_flush_timeout) = %ld",
	            defer, timeout) == 0,
	      "napi_defer_hard_irqs %ld and gro_flush_timeout %ld", defer, timeout);
}

static void expect_tso(const char *state)
{
	CHECK(shell("ethtool -k wire | grep -q '^tcp-segmentation-offload: %s'", state) == 0, "TSO %s",
	      state);
}

static struct mill_netdev device_with(struct mill_changes *changes)
{
	return (struct mill_netdev){.kind = "xdp",
	                            .ifname = "wire",
	                            .rundir = rundir,
	                            .ifindex = if_nametoindex("wire"),
	                            .changes = changes};
}

static void change(const struct mill_netdev *device)
{
	struct mill_error error = {0};
	CHECK(mill_offloads_apply(device, MILL_OFF_TSO, &error), "%s", error.text);
	CHECK(mill_napi_defer(device, true), "%s", strerror(errno));
	expect_tso("off");
	CHECK(device->changes->napi == 1 && device->changes->defer_hard_irqs == 7, "what was, remembered");
}

static int run_tests(void)
{
	struct mill_changes changes = {0}, none = {0}, later = {0};
	CHECK(mkdtemp(rundir) != NULL, "a run directory");
	CHECK(shell("ip link add wire type veth peer name other && echo 7 "
	            ">/sys/class/net/wire/napi_defer_hard_irqs "
	            "&& echo 1000 >/sys/class/net/wire/gro_flush_timeout") == 0,
	      "a device");
	const struct mill_netdev device = device_with(&changes);
	change(&device);
	CHECK(mill_napi_defer(&device, true) && changes.defer_hard_irqs == 7, "asked twice, changed once");
	mill_netdev_restore(&device);
	expect_napi(7, 1000);
	expect_tso("on");
	CHECK(memcmp(&changes, &none, sizeof(none)) == 0 &&
	          shell("rmdir %s && mkdir %s", rundir, rundir) == 0,
	      "nothing left to put back");
	printf("ok what a port changes of its device is put back\n");

	change(&device);
	const struct mill_netdev successor = device_with(&later);
	mill_netdev_recall(&successor);
	mill_netdev_restore(&successor);
	expect_napi(7, 1000);
	expect_tso("on");
	printf("ok so it is by an engine that knows it from the run directory\n");

	change(&device);
	CHECK(shell("ip link set wire name moved && ip link set other name wire && ip link set moved name "
	            "other && ethtool -K wire tso off") == 0,
	      "other names");
	mill_netdev_restore(&device);
	CHECK(shell("ethtool -k other | grep -q '^tcp-segmentation-offload: on' && test $(cat "
	            "/sys/class/net/other/gro_flush_timeout) = 1000") == 0,
	      "it to be as it was");
	expect_tso("off");
	CHECK(memcmp(&changes, &none, sizeof(none)) == 0 &&
	          shell("rmdir %s && mkdir %s", rundir, rundir) == 0,
	      "nothing left to put back");
	printf("ok what was changed is put back in the device, whatever it is called now\n");

	CHECK(shell("ip link del wire") == 0, "no device");
	struct mill_netdev gone = successor;
	CHECK(!mill_napi_defer(&gone, true) && later.napi == 0, "nothing to change of a device that is gone");
	printf("ok a device that is gone is left alone\n");
	return shell("rm -rf %s", rundir);
}

int main(void)
{
	return spaces_run("ethtool", run_tests);
}
