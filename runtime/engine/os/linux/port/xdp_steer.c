/*
 * Interrupts of a port's queues run where the rings' owners do, if the policy binds these to cores and does not say otherwise
 * (`affinity`). A worker that spins without running NAPI itself would take the core from it: there they stay where they are,
 * unless the policy insists. Control thread.
 */
#include "xdp.h"
#include <string.h>

static bool is_wanted(const struct mill_port *port, bool owners_spin)
{
	const struct mill_xdp *xdp = port->backend;
	if (port->config.affinity == MILL_AFFINITY_AUTO)
		return !owners_spin || xdp->shared->busy_poll != 0;
	return port->config.affinity == MILL_AFFINITY_WORKER;
}

static void wish(const struct mill_port *port, const int32_t *core, struct mill_affinity *wanted)
{
	const struct mill_xdp *xdp = port->backend;
	*wanted = (struct mill_affinity){.n_queues = xdp->n_queues};
	for (uint32_t r = 0; r < port->rx_rings; r++)
		if (core[r] >= 0) {
			wanted->queue[wanted->n] = xdp->shared->queue_of[r];
			wanted->core[wanted->n++] = (uint32_t)core[r];
		}
	wanted->whole = wanted->n == xdp->n_queues;
}

/* Once, though every change of the carrier leads here. */
static void say_why_not(const struct mill_port *port, const struct mill_error *why)
{
	struct mill_xdp *xdp = port->backend;
	const size_t n = sizeof(xdp->unsteered) - 1;
	if (why->code == 0 || strncmp(xdp->unsteered, why->text, n) == 0)
		return;
	mill_log("port %s (%s): %s", port->config.name, port->config.spec, why->text);
	memcpy(xdp->unsteered, why->text, n); /* both are longer, and ended by zeros */
}

static void say_how_many(const struct mill_port *port, uint32_t n)
{
	if (n != 0)
		mill_log("port %s (%s): %u interrupts and threads of NAPI run on the cores of its workers",
		         port->config.name, port->config.spec, n);
	else
		mill_log("port %s (%s): its interrupts and threads of NAPI run where they did before",
		         port->config.name, port->config.spec);
}

void mill_xdp_steer(struct mill_port *port, const int32_t *core, bool owners_spin)
{
	const struct mill_netdev device = mill_xdp_netdev(port);
	const uint32_t before = device.changes->n_steered;
	struct mill_affinity wanted = {.n = 0};
	struct mill_error why = {0};
	if (is_wanted(port, owners_spin))
		wish(port, core, &wanted);
	mill_affinity_apply(&device, &wanted, &why);
	if (device.changes->n_steered != before)
		say_how_many(port, device.changes->n_steered);
	say_why_not(port, &why);
}
