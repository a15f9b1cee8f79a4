/*
 * The engine's inside: what main, control, deploy and workers share. Only files in this folder include it.
 *
 * Who owns what. The control thread owns struct mill_engine and everything it points to. Workers see exactly one
 * pointer, `plan`: an immutable description of who serves which rings with which generation. It is published with
 * release; a worker takes it between two bursts and says so in `taken` (release). When every worker has taken it,
 * the plan before, and what only that named, may be freed. The FIB has grace periods of its own, by the epochs in
 * the state memfd (mill_worker_state.epoch).
 */
#pragma once
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fib/fib_thread.h"
#include "fib/qsbr.h"
#include "host/host.h"
#include "host_queue.h"
#include "netmill/fib.h"
#include "netmill/forwarder.h"
#include "port/port.h"
#include "punt_rate.h"
#include "region.h"
#include "shm/config.h"
#include "shm/engine_control.h"
#include "shm/state.h"

#define MILL_HANDOFF_SLOTS 512u
#define MILL_RETAINED      2u
#define MILL_TICK_NS       5000000ull
#define MILL_NS_PER_S      1000000000ull

/* One generation of the forwarder: generation.c. Immutable once loaded. */
struct mill_generation {
	uint64_t number;
	int config_fd, code_fd; /* sealed copies of the engine's own */
	const struct mill_config *config;
	const struct mill_forwarder *forwarder;
	struct mill_bindings bindings;
	uint16_t iface_slot[MILL_MAX_IFACES], iface_local[MILL_MAX_IFACES];
	uint16_t port_slot[MILL_MAX_PORTS];
	uint16_t set_slot[MILL_MAX_SETS];
	void *library;
};

/* Who serves a port's rings: worker number by ring, MILL_NONE for nobody. ownership.c */
struct mill_ownership {
	uint16_t owner[MILL_MAX_PORTS][MILL_MAX_RINGS]; /* by port slot */
};

/* Sets that change at run time, by slot; never changed once workers see it. sets.c */
struct mill_set_array {
	const struct mill_set_image *set[MILL_MAX_SETS];
};

struct mill_worker_thread;

/* A ring that a worker serves. */
struct mill_owned_ring {
	struct mill_port *port;
	struct netmap_ring *rx; /* NULL: the port has fewer RX than TX rings */
	void (*receive)(struct mill_worker *, struct netmap_ring *rx);
	uint16_t ring;
	bool has_tx;
};

/* How a worker sends to a port: by a TX ring of its own, or by a handoff ring that `owner` empties. */
struct mill_way {
	struct netmap_ring *ring; /* NULL: no way */
	struct mill_port *port;
	uint16_t index;                   /* of the TX ring */
	struct mill_worker_thread *owner; /* NULL: ring is the worker's own */
};

/* A handoff ring to empty into the worker's own way to that port. */
struct mill_inbound {
	struct netmap_ring *ring;
	uint16_t port;
};

struct mill_worker_plan {
	bool active;
	bool must_poll; /* some ring has no descriptor to wait for */
	uint32_t event_mode;
	int watched; /* os/events.h: rings with `watch`; -1: there are none */
	uint32_t n_wait;
	struct pollfd *wait; /* the worker's bell first; poll(2) writes revents */
	uint32_t n_rings, n_inbound, n_taps;
	struct mill_owned_ring *ring;
	struct mill_inbound *inbound;
	uint16_t *tap;                       /* interface slots */
	struct mill_way way[MILL_MAX_PORTS]; /* by port slot */
};

struct mill_plan {
	const struct mill_generation *generation;
	struct mill_worker_plan worker[MILL_MAX_WORKERS];
};

struct mill_defer;

/* A bucket of messages that a worker may send by itself: icmp.c. */
struct mill_credit {
	uint64_t refilled_ns, left;
};

/* One worker. `base` is first: services cast. Everything but `asleep`, `taken`, `quit` is the worker's own; those have a
 * cache line, since whoever gives it work looks at `asleep` each time. */
struct mill_worker_thread {
	_Alignas(64) struct mill_worker base;
	struct mill_engine *engine;
	struct mill_worker_state *state;
	uint32_t number;
	pthread_t thread;
	int wake; /* a bell */
	/* seq_cst before sleeping; whoever gives it work clears it and writes `wake` */
	_Alignas(64) _Atomic uint32_t asleep;
	_Atomic(const struct mill_plan *) taken;
	atomic_bool quit;
	_Alignas(64) const struct mill_worker_plan *plan; /* its part of `taken` */
	struct mill_host_ring *punt[MILL_PUNT_CLASSES];
	struct mill_defer *defer;
	uint64_t last_tick_ns, last_taps_ns, last_work_ns, last_count_ns;
	uint64_t tx_low;   /* bit p: the way to port p had little room after its last sync */
	uint32_t deferred; /* frames that wait for a neighbour */
	struct mill_credit icmp_credit, answer_credit; /* icmp.c, answer.c */
	uint64_t random;                               /* copies.c; never 0 */
	uint16_t icmp_id;
	struct mill_punt_bucket own_police[MILL_PUNT_CLASSES]; /* own/own.c */
	bool punted, logged;
	bool must_poll; /* some ring cannot be waited for */
};

_Static_assert(sizeof(struct mill_worker_thread) % 64 == 0 &&
                   offsetof(struct mill_worker_thread, asleep) % 64 == 0 &&
                   offsetof(struct mill_worker_thread, plan) - offsetof(struct mill_worker_thread, asleep) ==
                       64,
               "what others write of a worker has a line of its own");

#define MILL_WANTS 256u /* neighbours that workers want resolved, on their way to the control thread */

struct mill_adoption;
struct mill_own;
struct mill_packet;

struct mill_engine {
	const char *rundir;
	int state_fd, events_fd, listen_fd, wait_fd;
	struct mill_state *state;
	struct mill_region region;
	struct mill_host_queues queues;
	struct mill_host *host;
	_Atomic uint32_t punt_rate[MILL_PUNT_CLASSES]; /* packets a second; control thread writes, relaxed */
	struct mill_fib_thread *fib;
	struct mill_own *own; /* own/own.h */
	struct mill_iface iface[MILL_MAX_IFACES];
	struct mill_iface_config
	    iface_config[MILL_MAX_IFACES]; /* as last applied, n_tags etc.; name empty: unused */
	bool iface_admin_up[MILL_MAX_IFACES];
	bool tap_open[MILL_MAX_IFACES];
	struct mill_port *port[MILL_MAX_PORTS]; /* open ports */
	uint32_t to_open; /* how many are being opened together: they share what buffers are left */
	struct netmap_ring *handoff[MILL_MAX_PORTS][MILL_MAX_WORKERS];
	struct mill_worker_thread *worker[MILL_MAX_WORKERS];
	struct mill_generation *running, *prepared, *retained[MILL_RETAINED];
	struct mill_ownership ownership; /* of the running plan */
	_Atomic(const struct mill_plan *) plan;
	_Atomic(const struct mill_set_array *) sets; /* NULL: there are none */
	int set_fd[MILL_MAX_SETS];                   /* of those that are there */
	struct mill_qsbr set_grace;
	bool adopting, stopping;

	/* any thread → control thread */
	int notice_fd; /* a bell */
	pthread_mutex_t notice_lock;
	uint32_t n_wants;
	struct mill_resolve want[MILL_WANTS];
	_Atomic uint64_t link_changed, link_lost; /* bit p; lost: though it may be back already */
	atomic_bool devices_changed, neighbours_changed;

	int daemon_fd;                  /* control connection, -1 none */
	struct mill_adoption *adoption; /* adopt.c, while adopting */
	int link_fd;                    /* monitor.c */
};

/* threads.c: those beside the workers, once there is a state. The pulse ends with the ports (deploy.c), the monitor with the process. */
bool mill_threads_start(struct mill_engine *, const struct mill_fib_thread_options *, struct mill_error *);
void mill_threads_stop(struct mill_engine *);

/* log.c: one line on stderr, never blocks for long, never dies. */
void mill_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* state.c */
bool mill_state_create(struct mill_engine *, struct mill_error *);
bool mill_state_map(struct mill_engine *, int fd, struct mill_error *);
uint64_t mill_now(void);
/* Has a worker received anything since the last call with this `seen`? A thread that looks around need not do so as often
 * while none has: most of what an idle engine costs is waking up. Any thread. */
bool mill_state_busy(const struct mill_engine *, uint64_t *seen);

/* generation.c */
struct mill_generation *mill_generation_load(int config_fd, int code_fd, struct mill_error *);
void mill_generation_unload(struct mill_generation *);

/* sets.c: sets that change at run time. The descriptor stays the caller's. */
bool mill_set_put(struct mill_engine *, int fd, struct mill_error *);
bool mill_set_drop(struct mill_engine *, const char *name, struct mill_error *);
bool mill_sets_bind(const struct mill_engine *, struct mill_generation *, struct mill_error *);

/* config_check.c */
bool mill_config_check(const struct mill_config *, struct mill_error *);

/* ports.c: open, close and reconfigure ports, taps and interfaces for a generation */
bool mill_ports_open(struct mill_engine *, const struct mill_generation *, uint64_t *opened,
                     struct mill_error *);
void mill_ports_close(struct mill_engine *, uint64_t slots);
bool mill_ports_reopen(struct mill_engine *, const struct mill_generation *, uint64_t slots,
                       struct mill_error *);
/* Whether devices that are open carry what the policy says; sets them up for it. */
bool mill_ports_carry(const struct mill_engine *, const struct mill_generation *, struct mill_error *);
bool mill_port_start(struct mill_engine *, const struct mill_config *, const struct mill_port_config *,
                     const struct mill_held_fd *held, struct mill_error *);
uint64_t mill_ports_replaced(const struct mill_engine *, const struct mill_generation *);
uint64_t mill_ports_recover(struct mill_engine *, const struct mill_generation *, struct mill_error *);
uint64_t mill_ports_gone(const struct mill_generation *);
bool mill_ports_configure(struct mill_engine *, const struct mill_generation *, struct mill_error *);
/* The devices of these ports wake their rings' owners where these run. */
void mill_ports_steer(const struct mill_engine *, uint64_t slots);
const struct mill_port_config *mill_config_port(const struct mill_config *, uint16_t slot);

/* ifaces.c */
void mill_ifaces_apply(struct mill_engine *, const struct mill_generation *);
bool mill_iface_update(struct mill_engine *, const struct mill_iface_update *, struct mill_error *);
/* Port flags changed. */
void mill_iface_carrier(struct mill_engine *, uint16_t port_slot);
bool mill_taps_open(struct mill_engine *, const struct mill_generation *, struct mill_error *);
bool mill_tap_open(struct mill_engine *, const struct mill_iface_config *, int held_fd, struct mill_error *);
void mill_tap_close(struct mill_engine *, uint16_t iface_slot);
/* Forgets interfaces, and closes taps, that the generation (NULL: none) has not. */
void mill_ifaces_drop(struct mill_engine *, const struct mill_generation *);

/* plan.c */
void mill_ownership_of(const struct mill_engine *, const struct mill_config *, struct mill_ownership *);
struct mill_plan *mill_plan_build(struct mill_engine *, const struct mill_generation *,
                                  const struct mill_ownership *, struct mill_error *);
void mill_plan_free(const struct mill_plan *);

/* deploy.c */
bool mill_deploy_prepare(struct mill_engine *, int config_fd, int code_fd, struct mill_error *);
bool mill_deploy_commit(struct mill_engine *, const struct mill_commit *, struct mill_error *);
bool mill_deploy_discard(struct mill_engine *, uint64_t generation, struct mill_error *);
/* First plan of a generation that is loaded and whose ports are open. */
bool mill_deploy_start(struct mill_engine *, struct mill_generation *, struct mill_error *);
void mill_deploy_stop(struct mill_engine *);
/* Devices came or took other names: ports of the running generation follow their names. */
void mill_deploy_follow_devices(struct mill_engine *);

/* worker.c */
bool mill_worker_start(struct mill_engine *, uint32_t number, struct mill_error *);
void mill_worker_stop(struct mill_engine *, uint32_t number);
void mill_worker_wake(struct mill_worker_thread *);
void mill_worker_pin(struct mill_worker_thread *, int32_t core);

/* pulse.c: the heartbeat of the ports. The control thread changes ports, their owners and workers under its lock. */
bool mill_pulse_start(struct mill_engine *, struct mill_error *);
/* And every port falls back at once. */
void mill_pulse_stop(const struct mill_engine *);
/* At once: for who has just opened ports and must not wait for the next beat. */
void mill_pulse_beat(const struct mill_engine *);
void mill_pulse_lock(void);
void mill_pulse_unlock(void);

/* services.c, defer.c, fragment.c, icmp.c, answer.c, police.c, copies.c, emit.c: called by one worker */
extern const struct mill_services mill_services;
bool mill_service_defer(struct mill_worker *, uint32_t adjacency, const uint8_t *nexthop,
                        const uint8_t *frame, uint16_t len, uint16_t l3);
bool mill_service_fragment(struct mill_worker *, uint32_t adjacency, const uint8_t *frame, uint16_t len,
                           uint16_t l3);
/* iface: MILL_NONE when it is not known any more */
void mill_service_icmp_error(struct mill_worker *, uint16_t iface, uint8_t type, uint8_t code, uint32_t mtu,
                             const uint8_t *frame, uint16_t len, uint16_t l3);
/* False: more messages than may be sent. */
bool mill_icmp_conforms(const struct mill_worker_thread *, struct mill_credit *);
struct mill_icmp_error;
void mill_icmp_tell(struct mill_worker_thread *, uint16_t iface, const struct mill_packet *about,
                    const struct mill_icmp_error *);
/* Back to the source of `about`: NULL, by none of our interfaces. */
const struct mill_adjacency *mill_icmp_way_back(const struct mill_worker *, const struct mill_packet *about);
/* A frame with room for a link header of MILL_LINK bytes in front. */
#define MILL_LINK 14u
bool mill_icmp_send(struct mill_worker *, const struct mill_adjacency *, const uint8_t *frame, uint32_t len,
                    uint8_t family);
void mill_service_answer(struct mill_worker *, uint16_t iface, uint8_t how, const uint8_t *frame,
                         uint16_t len, uint16_t l3);
bool mill_service_police(struct mill_worker *, uint32_t rule_slot, uint64_t cost, uint64_t burst,
                         uint32_t amount);
bool mill_service_mirror(struct mill_worker *, uint16_t port, uint32_t one_in, const uint8_t *frame,
                         uint16_t len);
void mill_service_sample(struct mill_worker *, uint32_t rule_slot, uint32_t one_in, uint16_t iface,
                         const uint8_t *frame, uint16_t len, uint16_t l3);
/* Whatever the rate of the rule. */
void mill_write_event(struct mill_worker_thread *, uint32_t rule_slot, uint16_t iface, const uint8_t *frame,
                      uint16_t len, uint16_t l3);
void mill_service_log(struct mill_worker *, uint32_t rule_slot, uint32_t per_second, uint16_t iface,
                      const uint8_t *frame, uint16_t len, uint16_t l3);
/* False: not sent, and why (MILL_DROP_TX_FULL passes). The adjacency's kind is FORWARD. */
bool mill_emit(struct mill_worker *, const struct mill_adjacency *, const uint8_t *frame, uint16_t len,
               uint16_t l3, enum mill_drop *why);
struct mill_defer *mill_defer_create(void);
void mill_defer_free(struct mill_defer *);
/* Sends what has resolved, drops what is too old. Returns how many frames still wait. */
uint32_t mill_defer_tick(struct mill_worker_thread *);
/* False: try again later. Any thread. */
bool mill_want_neighbour(struct mill_engine *, const struct mill_resolve *);

/* icmp.c: a packet of the router's own to the source of another, by the FIB. 14 bytes of link header, the last two of which
 * are right. */
bool mill_send_to_source(struct mill_worker *, const uint8_t *frame, uint32_t len,
                         const struct mill_packet *about, enum mill_said);

/* own/: interfaces without a face in the kernel. Control thread: */
struct mill_own *mill_own_create(struct mill_engine *);
void mill_own_free(struct mill_own *);
void mill_own_apply(struct mill_engine *, const struct mill_config *);
void mill_own_drop(struct mill_engine *, uint16_t iface_slot);
/* The carrier of these ports (bits) was lost, if only for a moment: others may be there now. */
void mill_own_lost(struct mill_engine *, uint64_t ports);
bool mill_own_change(struct mill_engine *, const struct mill_neighbour_change *, struct mill_error *);
void mill_own_ask_for(struct mill_engine *, const struct mill_resolve *, struct mill_error *);
/* Workers: is this punt the engine's own to deal with? Then here it is. */
bool mill_own_wants(struct mill_worker *, uint16_t iface, const uint8_t *frame, uint16_t len, uint16_t l3);
void mill_own_receive(struct mill_worker *, uint16_t iface, enum mill_punt_class, const uint8_t *frame,
                      uint16_t len, uint16_t l3);
enum mill_own_answer { MILL_OWN_KNOWN, MILL_OWN_ASKED, MILL_OWN_FAILED };
/* The neighbour's MAC, or it is asked for. */
enum mill_own_answer mill_own_resolve(struct mill_worker *, uint16_t iface, uint8_t family,
                                      const uint8_t *address, uint8_t mac[6]);
/* An IPv6 address of such an interface that may not be used yet, or not at all: RFC 4862 §5.4. */
bool mill_own_unverified(struct mill_worker *, const uint8_t *address);
/* The way to a MAC on an interface. False: the interface is down. */
bool mill_own_adjacency(const struct mill_worker *, uint16_t iface, const uint8_t mac[6],
                        struct mill_adjacency *);
void mill_own_tick(struct mill_worker *);

/* outbox.c: false when the daemon cannot be reached any more. */
bool mill_outbox_send(int to, const struct mill_msg *, int fd);
bool mill_outbox_flush(int to);
bool mill_outbox_empty(void);
void mill_outbox_clear(void);
/* Before the end: waits that long for a daemon that does not read. */
void mill_outbox_finish(int to, int timeout_ms);

/* daemon.c: the connection to it */
void mill_daemon_connect(struct mill_engine *, int fd);
void mill_daemon_forget(struct mill_engine *);
/* Before the end: what it has not read yet it is given a moment for. */
void mill_daemon_leave(struct mill_engine *);
void mill_daemon_tell(struct mill_engine *, enum mill_msg_type, const void *payload, uint32_t length, int fd);
void mill_daemon_answer(struct mill_engine *, const struct mill_msg *request, const struct mill_error *,
                        const void *payload, uint32_t length);
void mill_daemon_send_waiting(struct mill_engine *);

/* follow.c: does what the notices ask for */
void mill_follow_notices(struct mill_engine *);

/* requests.c: answers it; descriptors stay the caller's */
void mill_request_serve(struct mill_engine *, const struct mill_msg *, const int *fds, uint32_t n_fds);

/* control.c */
/* Of what the control thread waits for; the port's slot besides. */
enum mill_source {
	MILL_SOURCE_PORT = 1,
	MILL_SOURCE_LISTEN,
	MILL_SOURCE_DAEMON,
	MILL_SOURCE_NOTICE,
	MILL_SOURCE_SIGNAL,
};
#define MILL_READY_TAG(source, slot) ((uint64_t)(source) << 32 | (slot))
bool mill_control_listen(struct mill_engine *, struct mill_error *);
void mill_control_run(struct mill_engine *);

/* hold.c: tells the daemon which descriptors to keep duplicates of. Nothing when no daemon is there: a new one is
 * told everything anyway. */
void mill_hold_all(struct mill_engine *);
void mill_hold_generations(struct mill_engine *);
void mill_hold_port(struct mill_engine *, struct mill_port *, bool hold);
/* Lets the port serve its control event and tells what that changed. */
void mill_hold_port_control(struct mill_engine *, struct mill_port *);
/* fd -1: it is gone */
void mill_hold_set(struct mill_engine *, uint16_t slot, int fd);
void mill_hold_taps(struct mill_engine *, uint16_t iface_slot, bool hold);

/* adopt.c */
bool mill_adopt_take(struct mill_engine *, const struct mill_hold *, int fd, struct mill_error *);
bool mill_adopt_finish(struct mill_engine *, struct mill_error *);

/* monitor.c */
bool mill_monitor_start(struct mill_engine *, struct mill_error *);
/* Asks the kernel for every link's state: a port was opened, or events were lost. */
void mill_monitor_refresh(struct mill_engine *);
/* A worker whose frame the port refused looks at once whether its carrier is lost; waits for nobody. */
void mill_monitor_look(struct mill_engine *, uint16_t slot);

/* carrier.c */
void mill_carrier_start(void);
/* From now on changes of this device's carrier are read for the port; 0: of none. False: they cannot be. */
bool mill_carrier_follow(uint16_t slot, uint32_t ifindex);
/* How often it has come or gone. False: none is followed, or the device is gone. */
bool mill_carrier_changes(uint16_t slot, uint32_t *count);

/* notices.c: from any thread to the control thread */
bool mill_notices_create(struct mill_engine *, struct mill_error *);
/* Any thread: the carrier of these ports (bits) changed; state->port[].flags say how it is now. */
void mill_notice_links(struct mill_engine *, uint64_t ports);
/* Any thread: mill_state.neighbour has changed. */
void mill_notice_neighbours(struct mill_engine *);
/* Any thread: a device may be there that was not, or have another name. */
void mill_notice_devices(struct mill_engine *);
