/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside ns/: one row per namespace type. */
#pragma once

#include "ns/ns.h"
