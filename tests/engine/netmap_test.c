/* The netmap back end without netmap: netmap/bed.h. */
#include <unistd.h>
#include "netmap/bed.h"

static int tests(void)
{
	CHECK(shell("set -e; for i in 0 1; do ip link add ix$i type veth peer name peer$i; ip link set ix$i "
	            "up; ip "
	            "link set peer$i up; done") == 0,
	      "veth");
	snprintf(bed.rundir, sizeof(bed.rundir), "/tmp/mill-nm-%d", (int)getpid());
	CHECK(shell("mkdir -p %s", bed.rundir) == 0, "%s", bed.rundir);
	keep_offloads(); /* before the first port */
	mill_netmap_sys = &model_sys;
	test_packets();
	test_rings();
	test_sharing();
	test_troubles();
	test_adoption();
	test_vale();
	shell("rm -rf %s", bed.rundir);
	return 0;
}

int main(void)
{
	return spaces_run("ethtool", tests);
}
