/* SPDX-License-Identifier: ISC */
#ifndef INBOXCTL_SCREENS_SHOW_EVERYTHING_H
#define INBOXCTL_SCREENS_SHOW_EVERYTHING_H

#include "inboxctl/pages/show.h"

/* Of /status, but for "problems". */
show_fn show_everything;

#endif
