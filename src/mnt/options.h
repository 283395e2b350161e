/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Superblock options between mountinfo's text and messages. */
#pragma once

#include "mnt/source.h"

bool option_is_known(const struct fs_type *type, const char *key);
/* Those of @text that @type takes back, appended to s->options. 0 or -ENOMEM. */
int options_to_msg(const struct fs_type *type, const char *text, MntSourceEntry *s);
/*
 * uid=, gid= are shown as the host sees them; mount(2) wants them as the mounter's user namespace does.
 * @map: text of its uid_map or gid_map. -EINVAL when the id has no name there.
 */
int id_to_inside(const char *map, uint32_t id, uint32_t *ret);
