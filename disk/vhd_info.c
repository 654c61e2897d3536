/* SPDX-License-Identifier: MIT */
/* What a VHD says about itself. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "disk/vhd.h"

struct teller {
	xd_fact_fn fn;
	void *ctx;
};

static void tell_string(const struct teller *t, const char *key, const char *string)
{
	t->fn(t->ctx, &(struct xd_fact){key, XD_FACT_STRING, string, 0});
}

static void tell_number(const struct teller *t, const char *key, uint64_t number)
{
	t->fn(t->ctx, &(struct xd_fact){key, XD_FACT_NUMBER, NULL, number});
}

static void tell_bool(const struct teller *t, const char *key, bool yes)
{
	t->fn(t->ctx, &(struct xd_fact){key, XD_FACT_BOOL, NULL, yes});
}

static void tell_id(const struct teller *t, const char *key, const uint8_t *id)
{
	char out[37];
	int n = 0;

	for (int i = 0; i < 16; i++)
		n += snprintf(out + n, sizeof(out) - n,
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
	tell_string(t, key, out);
}

/* Four characters of the file's, made safe to print. */
static void tell_tag(const struct teller *t, const char *key, const char tag[4])
{
	char out[5] = {0};

	for (int i = 0; i < 4 && tag[i]; i++)
		out[i] = isprint((unsigned char)tag[i]) ? tag[i] : '?';
	for (int i = 3; i > 0 && out[i] == ' '; i--)
		out[i] = 0;
	tell_string(t, key, out);
}

static int tell_candidate(void *ctx, const char *path)
{
	tell_string(ctx, "parent_locator", path);
	return 0;
}

static void describe_sparse(struct xd_image *image, const struct teller *t)
{
	struct vhd *v = vhd_of(image);
	uint64_t present = 0;
	bool agree;

	pthread_mutex_lock(&v->lock);
	agree = !v->head_bad && v->footer_at != VHD_NOWHERE;
	pthread_mutex_unlock(&v->lock);
	for (uint32_t i = 0; i < v->blocks; i++)
		present += vhd_entry(v, i) != VHD_NO_BLOCK;
	tell_number(t, "blocks", v->blocks);
	tell_number(t, "blocks_allocated", present);
	tell_bool(t, "batmap", v->batmap_offset);
	tell_bool(t, "footers_agree", agree);
	if (image->type != XD_TYPE_DIFF)
		return;
	tell_id(t, "parent_uuid", v->header.parent_id);
	tell_number(t, "parent_timestamp",
		    VHD_EPOCH + (uint64_t)vhd_get32(v->header.parent_timestamp));
	vhd_parent_candidates(image, tell_candidate, (void *)t);
	if (image->parent && vhd_parent_time(image->parent))
		tell_bool(t, "parent_file_touched",
			  vhd_parent_time(image->parent) != vhd_get32(v->header.parent_timestamp));
}

int vhd_describe(struct xd_image *image, xd_fact_fn fn, void *ctx, struct xd_error *err)
{
	const struct teller t = {fn, ctx};
	struct vhd *v = vhd_of(image);
	const struct vhd_footer *f = &v->footer;
	char text[64];

	(void)err;
	tell_number(&t, "current_size", vhd_get64(f->current_size));
	tell_number(&t, "chs_size", vhd_chs_size(f));
	snprintf(text, sizeof(text), "%u/%u/%u", vhd_get16(f->cylinders), f->heads,
		 f->sectors_per_track);
	tell_string(&t, "geometry", text);
	tell_string(&t, "size_from", v->size_rule == VHD_SIZE_CHS ? "geometry" : "current_size");
	tell_number(&t, "original_size", vhd_get64(f->original_size));
	tell_tag(&t, "creator", f->creator_app);
	snprintf(text, sizeof(text), "%u.%u", vhd_get32(f->creator_version) >> 16,
		 vhd_get32(f->creator_version) & 0xffff);
	tell_string(&t, "creator_version", text);
	tell_tag(&t, "creator_os", f->creator_os);
	tell_number(&t, "created", VHD_EPOCH + (uint64_t)vhd_get32(f->timestamp));
	tell_id(&t, "uuid", f->id);
	tell_bool(&t, "saved_state", f->saved_state);
	tell_bool(&t, "hidden", f->hidden);
	if (image->type != XD_TYPE_FIXED)
		describe_sparse(image, &t);
	return 0;
}

void vhd_info(struct xd_image *image, struct xd_info *info)
{
	struct vhd *v = vhd_of(image);
	uint64_t bits = 1u << 20;

	memcpy(info->id, v->footer.id, 16);
	if (image->type == XD_TYPE_DIFF)
		memcpy(info->parent_id, v->header.parent_id, 16);
	if (image->type != XD_TYPE_FIXED)
		for (uint32_t i = 0; i < v->blocks; i++)
			if (vhd_entry(v, i) != VHD_NO_BLOCK)
				bits |= vhd_block_at(vhd_entry(v, i)) + v->bitmap_size;
	info->data_align = bits & -bits;
}
