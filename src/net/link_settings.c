/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user may have set on a link of any kind: features, channels, rings and interrupt coalescing by
 * ethtool (SIOCETHTOOL), and attributes of rtnetlink with a default of the driver's own.
 *
 * Nobody tells what the defaults are: all is recorded, and on restore only what a new link has otherwise is
 * set. What the new link's driver refuses is warned of: another kernel may have other features. Lost:
 * ethtool settings of other kinds (flow rules, EEE, wake on LAN ...), what is set by /sys/class/net (packet
 * steering, threaded NAPI), the number of queues of a veth that uses one.
 */
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/netns.h"
#include "net/link.h"

#define FEATURES_MAX 512
#define BLOCKS (FEATURES_MAX / 32)

struct features {
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block v[BLOCKS];
	} get;
	struct {
		struct ethtool_gstrings head;
		char v[FEATURES_MAX][ETH_GSTRING_LEN];
	} names;
};

/* A parameter: a struct that is got by one command and set by another. */
static const struct {
	uint32_t get, set;
	size_t size;
	const char *what;
} params[] = {
	{ ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, sizeof(struct ethtool_channels), "channels" },
	{ ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, sizeof(struct ethtool_coalesce), "coalescing" },
	{ ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM, sizeof(struct ethtool_ringparam), "rings" },
};
#define PARAM_MAX sizeof(struct ethtool_coalesce)

static int ethtool(int sock, const char *name, void *arg)
{
	struct ifreq ifr = { .ifr_data = arg };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return ioctl(sock, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static int features_get(int sock, const char *name, struct features *f)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t n;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	int ret = ethtool(sock, name, &info);

	if (ret == 0 && (!info.head.sset_mask || info.n > FEATURES_MAX))
		ret = -EOPNOTSUPP;
	if (ret < 0)
		return ret;
	f->get.head = (struct ethtool_gfeatures){ .cmd = ETHTOOL_GFEATURES, .size = BLOCKS };
	f->names.head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS,
						   .string_set = ETH_SS_FEATURES,
						   .len = info.n };
	ret = ethtool(sock, name, &f->get);
	return ret < 0 ? ret : ethtool(sock, name, &f->names);
}

/* Can feature @i be switched? */
static bool switchable(const struct features *f, uint32_t i)
{
	const struct ethtool_get_features_block *b = &f->get.v[i / 32];

	return i < f->names.head.len && f->names.v[i][0] && i / 32 < f->get.head.size &&
	       (b->available & ~b->never_changed & 1u << i % 32);
}

static bool requested(const struct features *f, uint32_t i)
{
	return f->get.v[i / 32].requested & 1u << i % 32;
}

int link_feature_active(int sock, const char *link, const char *name)
{
	_cleanup_free_ struct features *f = calloc(1, sizeof(*f));
	int ret = f ? features_get(sock, link, f) : -ENOMEM;

	for (uint32_t i = 0; ret == 0 && i < f->names.head.len && i / 32 < f->get.head.size; i++)
		if (strncmp(f->names.v[i], name, ETH_GSTRING_LEN) == 0)
			return (f->get.v[i / 32].active & 1u << i % 32) != 0;
	return ret;
}

static int add_name(const char *name, size_t *n, char ***v)
{
	if (!GROW(*v, *n))
		return -ENOMEM;
	(*v)[*n] = strndup(name, ETH_GSTRING_LEN);
	return (*v)[*n] ? (++*n, 0) : -ENOMEM;
}

static int dump_features(int sock, const char *name, LinkSettings *m)
{
	_cleanup_free_ struct features *f = calloc(1, sizeof(*f));
	int ret = f ? features_get(sock, name, f) : -ENOMEM;

	if (ret < 0)
		return ret == -ENOMEM ? ret : 0; /* it has none */
	for (uint32_t i = 0; i < f->names.head.len && ret == 0; i++) {
		if (!switchable(f, i))
			continue;
		ret = requested(f, i) ? add_name(f->names.v[i], &m->n_features_on, &m->features_on)
				      : add_name(f->names.v[i], &m->n_features_off, &m->features_off);
	}
	return ret;
}

static int dump_params(int sock, const char *name, LinkSettings *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		uint32_t buf[PARAM_MAX / 4] = { params[i].get };

		if (ethtool(sock, name, buf) < 0)
			continue;
		if (!GROW(m->params, m->n_params) ||
		    bytes_copy(&m->params[m->n_params], buf, params[i].size) < 0)
			return -ENOMEM;
		m->n_params++;
	}
	return 0;
}

int settings_dump(int sock, const char *name, LinkSettings **ret)
{
	LinkSettings *m = malloc(sizeof(*m));
	int err;

	if (!m)
		return log_oom();
	link_settings__init(m);
	*ret = m;
	err = dump_features(sock, name, m);
	if (err == 0)
		err = dump_params(sock, name, m);
	return err < 0 ? log_oom() : 0;
}

static bool has_name(char **v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(v[i], name, ETH_GSTRING_LEN) == 0)
			return true;
	return false;
}

static void restore_features(int sock, const char *name, const LinkSettings *m)
{
	_cleanup_free_ struct features *f = calloc(1, sizeof(*f));
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block v[BLOCKS];
	} set = { .head.cmd = ETHTOOL_SFEATURES };
	bool differ = false;
	int ret;

	if (!f || (!m->n_features_on && !m->n_features_off) || features_get(sock, name, f) < 0)
		return;
	set.head.size = (f->names.head.len + 31) / 32;
	for (uint32_t i = 0; i < f->names.head.len; i++) {
		bool on = has_name(m->features_on, m->n_features_on, f->names.v[i]);

		if (!switchable(f, i) || on == requested(f, i) ||
		    (!on && !has_name(m->features_off, m->n_features_off, f->names.v[i])))
			continue;
		differ = true;
		set.v[i / 32].valid |= 1u << i % 32;
		set.v[i / 32].requested |= on ? 1u << i % 32 : 0;
	}
	ret = differ ? ethtool(sock, name, &set) : 0;
	if (ret < 0)
		log_warn("link %s: features (ethtool -K) cannot be set: %s", name, strerror(-ret));
}

static void restore_param(int sock, const char *name, const ProtobufCBinaryData *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		uint32_t now[PARAM_MAX / 4] = { params[i].get }, want[PARAM_MAX / 4];
		int ret;

		if (b->len != params[i].size || memcmp(b->data, &params[i].get, 4) != 0)
			continue;
		memcpy(want, b->data, b->len);
		ret = ethtool(sock, name, now);
		if (ret == 0 && memcmp(now, want, b->len) != 0) {
			want[0] = params[i].set;
			ret = ethtool(sock, name, want);
		}
		if (ret < 0)
			log_warn("link %s: %s (ethtool) cannot be set: %s", name, params[i].what,
				 strerror(-ret));
	}
}

void settings_restore(int sock, const char *name, const LinkSettings *m)
{
	if (!m || sock < 0)
		return;
	restore_features(sock, name, m);
	for (size_t i = 0; i < m->n_params; i++)
		restore_param(sock, name, &m->params[i]);
}

/*
 * A veth has as many queues as there are CPUs, one of them in use; one that is given their number uses all
 * of them. So it is given only where several are in use.
 */
bool settings_queues(const LinkEntry *m)
{
	struct ethtool_channels c;

	if (!streq(m->kind, "veth"))
		return true;
	for (size_t i = 0; m->settings && i < m->settings->n_params; i++) {
		if (m->settings->params[i].len != sizeof(c))
			continue;
		memcpy(&c, m->settings->params[i].data, sizeof(c));
		if (c.cmd == ETHTOOL_GCHANNELS && (c.rx_count > 1 || c.tx_count > 1 || c.combined_count > 1))
			return true;
	}
	return false;
}

/* Attributes that are recorded, and sent where the new link's are others. */
static const uint16_t attrs[] = {
	IFLA_GSO_MAX_SIZE,	IFLA_GSO_MAX_SEGS,	IFLA_GRO_MAX_SIZE,
	IFLA_GSO_IPV4_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE, IFLA_BROADCAST,
	IFLA_LINKMODE,		IFLA_PROTO_DOWN,	IFLA_PROTO_DOWN_REASON,
};

int attrs_dump(const struct link_info *l, LinkEntry *m)
{
	_cleanup_free_ struct rtnl_req *q = malloc(sizeof(*q));
	const size_t at = NLMSG_HDRLEN;
	int ret = 0;

	if (!q)
		return -ENOMEM;
	rtnl_begin(q, 0, 0, "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(attrs) && ret == 0; i++)
		if (l->tb[attrs[i]])
			ret = rtnl_put_raw(q, l->tb[attrs[i]], l->tb[attrs[i]]->nla_len);
	m->has_attrs = true;
	return ret < 0 ? ret : bytes_copy(&m->attrs, (char *)&q->h + at, q->h.nlmsg_len - at);
}

/* Append to @q what @m has otherwise than the link that was made. */
static int put_differing(struct rtnl_req *q, const LinkEntry *m, const struct link_info *now, bool *differ)
{
	const struct nlattr *tb[LINK_ATTR_MAX + 1] = { 0 };
	int ret = rtnl_attrs_raw(m->attrs.data, m->attrs.len, tb, LINK_ATTR_MAX);

	for (size_t i = 0; i < ARRAY_SIZE(attrs) && ret == 0; i++) {
		const struct nlattr *a = tb[attrs[i]], *b = now->tb[attrs[i]];

		/* Reasons are shown only where there are some. */
		if (!a || (!b && attrs[i] != IFLA_PROTO_DOWN_REASON) ||
		    (b && a->nla_len == b->nla_len && memcmp(a, b, a->nla_len) == 0))
			continue;
		*differ = true;
		ret = rtnl_put_raw(q, a, a->nla_len);
	}
	return ret;
}

int attrs_restore(struct rnet *n, const LinkEntry *m)
{
	const struct ifinfomsg ifi = { .ifi_index = m->index };
	_cleanup_free_ struct nlmsghdr *h = NULL;
	struct link_info now;
	struct rtnl_req q;
	bool differ = false;
	int ret;

	if (!m->has_attrs)
		return 0;
	ret = rtnl_link(&n->rt, NULL, m->index, &h);
	if (ret == 0)
		ret = link_parse(h, &now);
	rtnl_begin(&q, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	if (ret == 0)
		ret = put_differing(&q, m, &now, &differ);
	if (ret < 0)
		return log_errno(ret, "link %s: its attributes", m->name);
	return differ ? link_do(&n->rt, &q, m->name, "segmentation limits, broadcast address and link mode")
		      : 0;
}
