/*
 * Packs a generation's configuration by value into the layout of runtime/shm/config.h, and reads it back. What
 * does not fit is refused by name, never cut off. Main thread only; the memfds that leave here are sealed, so
 * that the engine may trust that they do not change under it.
 */
#include "config_pack.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <cstring>
#include <memory>
#include "js.h"
#include "rib/address.h"

namespace mill
{

static const char *const lookups[] = {"flat", "radix", "dxr"};
static const char *const event_modes[] = {"poll", "busy", "adaptive"};
static const char *const fallbacks[] = {"kernel", "drop"};
static const char *const affinities[] = {"auto", "worker", "leave"};
static const char *const host_faces[] = {"none", "netdev", "tap"};
static const char *const offloads[] = {"rxcsum", "txcsum", "tso", "gso", "gro", "lro", "rxvlan", "txvlan"};

template <size_t N>
static uint32_t index_of(const char *const (&names)[N], const Napi::Value &value, const char *what)
{
	const std::string name = as_string(value, what);
	for (size_t i = 0; i < N; i++)
		if (name == names[i])
			return static_cast<uint32_t>(i);
	throw bad_argument(std::string("a known ") + what + ", got '" + name + "'");
}

template <size_t N> static Napi::Value name_at(Napi::Env env, const char *const (&names)[N], size_t index)
{
	return Napi::String::New(env, names[index < N ? index : 0]);
}

template <size_t N> static void put_text(char (&into)[N], const Napi::Value &value, const char *what)
{
	const std::string text = as_string(value, what);
	if (text.size() >= N || text.find('\0') != std::string::npos)
		throw bad_argument(std::string("a ") + what + " of at most " + std::to_string(N - 1) +
		                   " bytes, got '" + text + "'");
	memcpy(into, text.data(), text.size());
}

template <size_t N> static Napi::Value text_of(Napi::Env env, const char (&from)[N])
{
	return Napi::String::New(env, from, strnlen(from, N));
}

/* Length of an array that has to fit a table of `most`. */
static uint32_t counted(const Napi::Array &array, const char *what, uint32_t most)
{
	if (array.Length() > most)
		throw bad_argument("at most " + std::to_string(most) + " " + what + ", got " +
		                   std::to_string(array.Length()));
	return array.Length();
}

static Napi::Array list(const Napi::Object &object, const char *key)
{
	return as_array(object.Get(key), key);
}

static uint32_t number(const Napi::Object &object, const char *key, int64_t most)
{
	return static_cast<uint32_t>(as_integer(object.Get(key), key, 0, most));
}

static void put_hash(uint8_t (&into)[32], const std::string &hex)
{
	if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos)
		throw bad_argument("a policy hash of 64 lower-case hex digits");
	for (size_t i = 0; i < 32; i++)
		into[i] = static_cast<uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
}

/* What is absent may be anything. */
static uint16_t port_or_any(const Napi::Object &flow, const char *key)
{
	return flow.Get(key).IsUndefined() ? 0
	                                   : static_cast<uint16_t>(as_integer(flow.Get(key), key, 1, 65535));
}

static void pack_prefix(uint8_t (&bytes)[16], uint8_t &length, uint8_t family, const Napi::Value &value)
{
	if (value.IsUndefined())
		return;
	Address address;
	parse_interface_address(as_string(value, "prefix"), address, length);
	if (address.family != family)
		throw bad_argument("a flow whose prefixes are of its family");
	memcpy(bytes, address.bytes, sizeof address.bytes);
}

static void pack_flow(mill_flow &flow, const Napi::Object &from)
{
	flow.queue = static_cast<uint16_t>(number(from, "queue", MILL_MAX_QUEUES - 1));
	flow.family = static_cast<uint8_t>(as_integer(from.Get("family"), "family", 4, 6));
	flow.protocol =
	    from.Get("protocol").IsUndefined() ? 0 : static_cast<uint8_t>(number(from, "protocol", 255));
	flow.from_port = port_or_any(from, "fromPort");
	flow.to_port = port_or_any(from, "toPort");
	pack_prefix(flow.from, flow.from_length, flow.family, from.Get("from"));
	pack_prefix(flow.to, flow.to_length, flow.family, from.Get("to"));
}

static void pack_queues(mill_port_config &port, const Napi::Object &from)
{
	const Napi::Array queues = list(from, "queues"), flows = list(from, "flows");
	port.n_queues = static_cast<uint16_t>(counted(queues, "queues", MILL_MAX_RINGS));
	for (uint32_t i = 0; i < port.n_queues; i++)
		port.queue[i] =
		    static_cast<uint16_t>(as_integer(queues.Get(i), "queues", 0, MILL_MAX_QUEUES - 1));
	port.n_flows = static_cast<uint16_t>(counted(flows, "flows", MILL_MAX_FLOWS));
	for (uint32_t i = 0; i < port.n_flows; i++)
		pack_flow(port.flow[i], as_object(flows.Get(i), "flow"));
}

static void pack_port(mill_port_config &port, const Napi::Object &from)
{
	put_text(port.name, from.Get("name"), "port name");
	put_text(port.spec, from.Get("spec"), "port spec");
	port.slot = static_cast<uint16_t>(number(from, "slot", MILL_MAX_PORTS - 1));
	port.fallback = static_cast<uint8_t>(index_of(fallbacks, from.Get("fallback"), "fallback"));
	const Napi::Array off = list(from, "offloadsOff");
	for (uint32_t i = 0; i < off.Length(); i++)
		port.offloads_off |= 1u << index_of(offloads, off.Get(i), "offload");
	port.busy_poll = from.Get("busyPoll").ToBoolean().Value() ? 1 : 0;
	port.affinity = static_cast<uint8_t>(index_of(affinities, from.Get("affinity"), "affinity"));
	pack_queues(port, from);
}

/* Of an interface without a face in the kernel; others' are the kernel's. */
static void pack_addresses(mill_iface_config &iface, const Napi::Array &addresses)
{
	iface.n_addresses = static_cast<uint8_t>(counted(addresses, "addresses", MILL_MAX_ADDRESSES));
	for (uint32_t i = 0; i < addresses.Length(); i++) {
		Address address;
		parse_interface_address(as_string(addresses.Get(i), "address"), address,
		                        iface.address[i].length);
		iface.address[i].family = address.family;
		memcpy(iface.address[i].bytes, address.bytes, sizeof address.bytes);
	}
}

static void pack_iface(mill_iface_config &iface, const Napi::Object &from)
{
	put_text(iface.name, from.Get("name"), "interface name");
	put_text(iface.host_name, from.Get("hostName"), "host name");
	iface.slot = static_cast<uint16_t>(number(from, "slot", MILL_MAX_IFACES - 1));
	iface.port = static_cast<uint16_t>(number(from, "port", MILL_MAX_PORTS - 1));
	iface.mtu = static_cast<uint16_t>(number(from, "mtu", 65535));
	iface.host = static_cast<uint8_t>(index_of(host_faces, from.Get("host"), "host face"));
	pack_addresses(iface, list(from, "addresses"));
	const Napi::Array tags = list(from, "tags");
	iface.n_tags = static_cast<uint8_t>(counted(tags, "tags", 2));
	for (uint32_t i = 0; i < tags.Length(); i++) {
		const Napi::Object tag = as_object(tags.Get(i), "tag");
		iface.tpid[i] = static_cast<uint16_t>(number(tag, "tpid", 65535));
		iface.vid[i] = static_cast<uint16_t>(number(tag, "vid", 4095));
	}
}

static void pack_worker(mill_worker_config &worker, const Napi::Object &from)
{
	worker.core = static_cast<int32_t>(as_integer(from.Get("core"), "core", -1, 65535));
	const Napi::Array rings = list(from, "rings");
	const uint32_t n = counted(rings, "ports of a worker", MILL_MAX_PORTS);
	for (uint32_t i = 0; i < n; i++)
		worker.rx_rings[i] = static_cast<uint32_t>(as_integer(rings.Get(i), "rings", 0, UINT32_MAX));
}

static uint32_t pack_slots(uint32_t *into, const Napi::Object &from, const char *key, uint32_t most)
{
	const Napi::Array slots = list(from, key);
	const uint32_t n = counted(slots, key, most);
	for (uint32_t i = 0; i < n; i++)
		into[i] = static_cast<uint32_t>(as_integer(slots.Get(i), key, 0, most - 1));
	return n;
}

static void pack_sets(mill_config &config, const Napi::Array &sets)
{
	config.n_sets = counted(sets, "sets", MILL_MAX_SETS);
	for (uint32_t i = 0; i < config.n_sets; i++)
		put_text(config.set[i], sets.Get(i), "set name");
}

static void pack(mill_config &config, const Napi::Object &from)
{
	config.magic = MILL_CONFIG_MAGIC;
	config.abi = MILL_ABI_VERSION;
	config.generation =
	    static_cast<uint64_t>(as_integer(from.Get("generation"), "generation", 1, 1ll << 53));
	config.event_mode = index_of(event_modes, from.Get("eventMode"), "event mode");
	config.lookup = index_of(lookups, from.Get("lookup"), "lookup");
	config.neighbour_tries = number(from, "neighbourTries", 100);
	const Napi::Array rates = list(from, "puntRates");
	if (rates.Length() != MILL_PUNT_CLASSES)
		throw bad_argument("puntRates of " + std::to_string(MILL_PUNT_CLASSES) + " classes, got " +
		                   std::to_string(rates.Length()));
	for (uint32_t i = 0; i < MILL_PUNT_CLASSES; i++)
		config.punt_rate[i] =
		    static_cast<uint32_t>(as_integer(rates.Get(i), "puntRates", 0, 1000000));
	put_hash(config.policy_hash, as_string(from.Get("policyHash"), "policyHash"));
	const Napi::Array ports = list(from, "ports");
	config.n_ports = static_cast<uint16_t>(counted(ports, "ports", MILL_MAX_PORTS));
	for (uint32_t i = 0; i < config.n_ports; i++)
		pack_port(config.port[i], as_object(ports.Get(i), "port"));
	const Napi::Array ifaces = list(from, "interfaces");
	config.n_ifaces = static_cast<uint16_t>(counted(ifaces, "interfaces", MILL_MAX_IFACES));
	for (uint32_t i = 0; i < config.n_ifaces; i++)
		pack_iface(config.iface[i], as_object(ifaces.Get(i), "interface"));
	const Napi::Array workers = list(from, "workers");
	config.n_workers = static_cast<uint16_t>(counted(workers, "workers", MILL_MAX_WORKERS));
	for (uint32_t i = 0; i < config.n_workers; i++)
		pack_worker(config.worker[i], as_object(workers.Get(i), "worker"));
	config.n_rules = pack_slots(config.rule_slot, from, "ruleSlots", MILL_MAX_RULES);
	config.n_gateways =
	    static_cast<uint16_t>(pack_slots(config.gateway_slot, from, "gatewaySlots", MILL_MAX_GATEWAYS));
	pack_sets(config, list(from, "sets"));
}

static Fd new_memfd(const char *name)
{
	Fd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (!fd)
		throw Failure(errno, "memfd_create");
	return fd;
}

static void seal(const Fd &fd)
{
	if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		throw Failure(errno, "fcntl", "cannot seal a memfd");
}

Fd pack_config(const Napi::Object &configuration)
{
	auto config = std::make_unique<mill_config>();
	memset(config.get(), 0, sizeof *config);
	pack(*config, configuration);
	Fd fd = new_memfd("netmill-config");
	const uint8_t *bytes = reinterpret_cast<const uint8_t *>(config.get());
	for (size_t done = 0; done < sizeof *config;) {
		const ssize_t n = write(fd.get(), bytes + done, sizeof *config - done);
		if (n < 0)
			throw Failure(errno, "write", "cannot fill the configuration");
		done += static_cast<size_t>(n);
	}
	seal(fd);
	return fd;
}

Fd sealed_copy(const std::string &path)
{
	Fd from(open(path.c_str(), O_RDONLY | O_CLOEXEC));
	if (!from)
		throw Failure(errno, "open", "cannot read " + path);
	struct stat status;
	if (fstat(from.get(), &status) < 0)
		throw Failure(errno, "fstat", path);
	if (!S_ISREG(status.st_mode) || status.st_size == 0)
		throw Failure(EINVAL, "open", "expected a file with contents: " + path);
	Fd fd = new_memfd("netmill-forwarder");
	for (off_t left = status.st_size; left > 0;) {
		const ssize_t n = sendfile(fd.get(), from.get(), nullptr, static_cast<size_t>(left));
		if (n <= 0)
			throw Failure(n < 0 ? errno : EIO, "sendfile", "cannot copy " + path);
		left -= n;
	}
	seal(fd);
	return fd;
}

static void unpack_prefix(Napi::Object &object, const char *key, uint8_t family, const uint8_t (&bytes)[16],
                          uint8_t length)
{
	if (length != 0)
		object.Set(key, Address::of(family, bytes).text() + "/" + std::to_string(length));
}

static Napi::Object unpack_flow(Napi::Env env, const mill_flow &flow)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("queue", flow.queue);
	object.Set("family", flow.family);
	if (flow.protocol != 0)
		object.Set("protocol", flow.protocol);
	unpack_prefix(object, "from", flow.family, flow.from, flow.from_length);
	unpack_prefix(object, "to", flow.family, flow.to, flow.to_length);
	if (flow.from_port != 0)
		object.Set("fromPort", flow.from_port);
	if (flow.to_port != 0)
		object.Set("toPort", flow.to_port);
	return object;
}

static void unpack_queues(Napi::Env env, Napi::Object &object, const mill_port_config &port)
{
	Napi::Array queues = Napi::Array::New(env), flows = Napi::Array::New(env);
	for (uint32_t i = 0; i < port.n_queues && i < MILL_MAX_RINGS; i++)
		queues.Set(i, port.queue[i]);
	for (uint32_t i = 0; i < port.n_flows && i < MILL_MAX_FLOWS; i++)
		flows.Set(i, unpack_flow(env, port.flow[i]));
	object.Set("queues", queues);
	object.Set("flows", flows);
}

static Napi::Object unpack_port(Napi::Env env, const mill_port_config &port)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("name", text_of(env, port.name));
	object.Set("spec", text_of(env, port.spec));
	object.Set("slot", port.slot);
	object.Set("fallback", name_at(env, fallbacks, port.fallback));
	Napi::Array off = Napi::Array::New(env);
	for (uint32_t bit = 0; bit < 8; bit++)
		if (port.offloads_off & 1u << bit)
			off.Set(off.Length(), name_at(env, offloads, bit));
	object.Set("offloadsOff", off);
	object.Set("busyPoll", port.busy_poll != 0);
	object.Set("affinity", name_at(env, affinities, port.affinity));
	unpack_queues(env, object, port);
	return object;
}

static Napi::Object unpack_iface(Napi::Env env, const mill_iface_config &iface)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("name", text_of(env, iface.name));
	object.Set("slot", iface.slot);
	object.Set("port", iface.port);
	Napi::Array tags = Napi::Array::New(env);
	for (uint32_t i = 0; i < iface.n_tags && i < 2; i++) {
		Napi::Object tag = Napi::Object::New(env);
		tag.Set("tpid", iface.tpid[i]);
		tag.Set("vid", iface.vid[i]);
		tags.Set(i, tag);
	}
	object.Set("tags", tags);
	object.Set("mtu", iface.mtu);
	Napi::Array addresses = Napi::Array::New(env);
	for (uint32_t i = 0; i < iface.n_addresses && i < MILL_MAX_ADDRESSES; i++) {
		const mill_address &one = iface.address[i];
		addresses.Set(i,
		              Address::of(one.family, one.bytes).text() + "/" + std::to_string(one.length));
	}
	object.Set("addresses", addresses);
	object.Set("host", name_at(env, host_faces, iface.host));
	object.Set("hostName", text_of(env, iface.host_name));
	return object;
}

static Napi::Array numbers(Napi::Env env, const uint32_t *from, uint32_t count)
{
	Napi::Array array = Napi::Array::New(env, count);
	for (uint32_t i = 0; i < count; i++)
		array.Set(i, from[i]);
	return array;
}

static std::string hex_of(const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	std::string hex;
	for (size_t i = 0; i < size; i++) {
		hex += digits[bytes[i] >> 4];
		hex += digits[bytes[i] & 15];
	}
	return hex;
}

Napi::Object unpack_config(Napi::Env env, const mill_config &config)
{
	if (config.magic != MILL_CONFIG_MAGIC || config.abi != MILL_ABI_VERSION)
		throw Failure(EPROTO, "config", "the engine runs a configuration of another ABI");
	if (config.n_ports > MILL_MAX_PORTS || config.n_ifaces > MILL_MAX_IFACES ||
	    config.n_workers > MILL_MAX_WORKERS || config.n_gateways > MILL_MAX_GATEWAYS ||
	    config.n_rules > MILL_MAX_RULES || config.n_sets > MILL_MAX_SETS)
		throw Failure(EPROTO, "config", "the configuration's counts exceed its tables");
	Napi::Object object = Napi::Object::New(env);
	object.Set("generation", js_u53(env, config.generation));
	object.Set("eventMode", name_at(env, event_modes, config.event_mode));
	object.Set("lookup", name_at(env, lookups, config.lookup));
	object.Set("neighbourTries", config.neighbour_tries);
	object.Set("puntRates", numbers(env, config.punt_rate, MILL_PUNT_CLASSES));
	object.Set("policyHash", hex_of(config.policy_hash, sizeof config.policy_hash));
	Napi::Array ports = Napi::Array::New(env, config.n_ports);
	for (uint32_t i = 0; i < config.n_ports; i++)
		ports.Set(i, unpack_port(env, config.port[i]));
	object.Set("ports", ports);
	Napi::Array ifaces = Napi::Array::New(env, config.n_ifaces);
	for (uint32_t i = 0; i < config.n_ifaces; i++)
		ifaces.Set(i, unpack_iface(env, config.iface[i]));
	object.Set("interfaces", ifaces);
	Napi::Array workers = Napi::Array::New(env, config.n_workers);
	for (uint32_t i = 0; i < config.n_workers; i++) {
		Napi::Object worker = Napi::Object::New(env);
		worker.Set("core", config.worker[i].core);
		worker.Set("rings", numbers(env, config.worker[i].rx_rings, config.n_ports));
		workers.Set(i, worker);
	}
	object.Set("workers", workers);
	object.Set("ruleSlots", numbers(env, config.rule_slot, config.n_rules));
	object.Set("gatewaySlots", numbers(env, config.gateway_slot, config.n_gateways));
	Napi::Array sets = Napi::Array::New(env, config.n_sets);
	for (uint32_t i = 0; i < config.n_sets; i++)
		sets.Set(i, text_of(env, config.set[i]));
	object.Set("sets", sets);
	return object;
}

} // namespace mill
