/*
 * A network card's driver, as far as it is asked about flows: ntuple filters and the RSS indirection table, in a file that
 * several processes share. Linked into a test, or preloaded into an engine and into ethtool itself, it takes the place of
 * ioctl(2) for one device and passes on everything else. Of the environment: ETHTOOL_MODEL (the file), ETHTOOL_MODEL_DEVICE,
 * and, for who comes first, ETHTOOL_MODEL_CARD: queues, places for filters, entries of the table, 1 if the driver chooses
 * the places, and 1 if filters are on. It does what drivers do, also what hurts: a filter takes the place of one that was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NTUPLE (1u << 27)
#define PLACES 64u
#define TABLE  256u

struct card {
	uint32_t queues, places, table, chooses;
	uint32_t ntuple;
	uint8_t taken[PLACES];
	struct ethtool_rx_flow_spec rule[PLACES];
	uint32_t spread[TABLE];
};

static struct card *card;

static void spread_evenly(void)
{
	for (uint32_t i = 0; i < card->table; i++)
		card->spread[i] = i % card->queues;
}

static struct card *the_card(void)
{
	const char *file = getenv("ETHTOOL_MODEL"), *made = getenv("ETHTOOL_MODEL_CARD");
	if (card != NULL || file == NULL)
		return card;
	const int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*card)) != 0)
		abort();
	card = mmap(NULL, sizeof(*card), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (card->queues == 0 && made != NULL) {
		if (sscanf(made, "%u %u %u %u %u", &card->queues, &card->places, &card->table, &card->chooses,
		           &card->ntuple) != 5)
			abort();
		spread_evenly();
	}
	return card;
}

/* For a test that has several, one after the other. */
void model_swap(const char *file, const char *made)
{
	setenv("ETHTOOL_MODEL", file, 1);
	setenv("ETHTOOL_MODEL_CARD", made, 1);
	card = NULL;
}

static int fail(int code)
{
	errno = code;
	return -1;
}

static uint32_t rules(void)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < card->places; i++)
		n += card->taken[i];
	return n;
}

static int list_rules(struct ethtool_rxnfc *all)
{
	uint32_t n = 0;
	if (all->rule_cnt < rules())
		return fail(EMSGSIZE);
	for (uint32_t i = 0; i < card->places; i++)
		if (card->taken[i] != 0)
			all->rule_locs[n++] = i;
	all->rule_cnt = n;
	all->data = card->places;
	return 0;
}

static int insert(struct ethtool_rxnfc *rule)
{
	uint32_t place = rule->fs.location;
	if (card->ntuple == 0)
		return fail(EOPNOTSUPP);
	if (rule->fs.ring_cookie >= card->queues || (place == RX_CLS_LOC_ANY) != (card->chooses != 0))
		return fail(EINVAL);
	for (uint32_t i = 0; card->chooses != 0 && i < card->places && place == RX_CLS_LOC_ANY; i++)
		if (card->taken[i] == 0)
			place = i;
	if (place >= card->places)
		return fail(ENOSPC);
	rule->fs.location = place;
	card->taken[place] = 1;
	card->rule[place] = rule->fs;
	return 0;
}

static int about_rule(struct ethtool_rxnfc *rule)
{
	const uint32_t place = rule->fs.location;
	if (place >= card->places || card->taken[place] == 0)
		return fail(ENOENT);
	if (rule->cmd == ETHTOOL_SRXCLSRLDEL)
		card->taken[place] = 0;
	else
		rule->fs = card->rule[place];
	return 0;
}

static int about_rules(struct ethtool_rxnfc *asked)
{
	switch (asked->cmd) {
	case ETHTOOL_GRXRINGS:
		asked->data = card->queues;
		return 0;
	case ETHTOOL_GRXCLSRLCNT:
		asked->rule_cnt = rules();
		asked->data = card->chooses != 0 ? RX_CLS_LOC_SPECIAL : 0;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		return list_rules(asked);
	case ETHTOOL_SRXCLSRLINS:
		return insert(asked);
	default:
		return about_rule(asked);
	}
}

static int read_table(struct ethtool_rxfh_indir *table)
{
	const uint32_t room = table->size;
	if (card->table == 0)
		return fail(EOPNOTSUPP);
	table->size = card->table;
	if (room != 0 && room < card->table)
		return fail(EINVAL);
	if (room != 0)
		memcpy(table->ring_index, card->spread, card->table * sizeof(card->spread[0]));
	return 0;
}

static int write_table(const struct ethtool_rxfh_indir *table)
{
	if (card->table == 0)
		return fail(EOPNOTSUPP);
	if (table->size == 0)
		spread_evenly();
	else if (table->size != card->table)
		return fail(EINVAL);
	for (uint32_t i = 0; i < table->size; i++)
		if (table->ring_index[i] >= card->queues)
			return fail(EINVAL);
	memcpy(card->spread, table->ring_index, table->size * sizeof(card->spread[0]));
	return 0;
}

static int set_flags(const struct ethtool_value *flags)
{
	if (card->places == 0 && (flags->data & NTUPLE) != 0)
		return fail(EOPNOTSUPP);
	card->ntuple = (flags->data & NTUPLE) != 0;
	return 0;
}

/* -2: none of the model's business. */
static int ask(void *command)
{
	struct ethtool_value *value = command;
	switch (value->cmd) {
	case ETHTOOL_GRXRINGS:
	case ETHTOOL_GRXCLSRLCNT:
	case ETHTOOL_GRXCLSRLALL:
	case ETHTOOL_GRXCLSRULE:
	case ETHTOOL_SRXCLSRLINS:
	case ETHTOOL_SRXCLSRLDEL:
		if (card->places == 0 && value->cmd != ETHTOOL_GRXRINGS)
			return fail(EOPNOTSUPP);
		return about_rules(command);
	case ETHTOOL_GRXFHINDIR:
		return read_table(command);
	case ETHTOOL_SRXFHINDIR:
		return write_table(command);
	case ETHTOOL_GFLAGS:
		value->data = card->ntuple != 0 ? NTUPLE : 0;
		return 0;
	case ETHTOOL_SFLAGS:
		return set_flags(command);
	default:
		return -2;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	const char *device = getenv("ETHTOOL_MODEL_DEVICE");
	struct ifreq *ifr = argument;
	if (request == SIOCETHTOOL && device != NULL && strncmp(ifr->ifr_name, device, IFNAMSIZ) == 0 &&
	    the_card() != NULL) {
		const int answer = ask(ifr->ifr_data);
		if (answer != -2)
			return answer;
	}
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
