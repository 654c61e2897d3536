/* SPDX-License-Identifier: MIT */
/* VHD as the library sees it. */
#include "disk/vhd.h"

const struct xd_driver xd_vhd_driver = {
    .format = XD_FORMAT_VHD,
    .probe = vhd_probe,
    .open = vhd_open,
    .close = vhd_close,
    .create = vhd_create,
    .map = vhd_map,
    .writev = vhd_writev,
    .zero = vhd_zero,
    .discard = vhd_discard,
    .flush = vhd_flush,
    .info = vhd_info,
    .describe = vhd_describe,
    .parent_candidates = vhd_parent_candidates,
    .parent_format = vhd_parent_format,
    .parent_matches = vhd_parent_matches,
    .set_parent = vhd_set_parent,
    .resize = vhd_resize,
    .compact = vhd_compact,
    .check = vhd_check,
};
