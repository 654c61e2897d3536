/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "tests/unit/test_vhdx_tool.h"

void tool_ok(int ret, const struct xd_error *err)
{
	if (ret)
		fail_msg("%s (code %d, file offset %lld)", err->message, ret,
			 (long long)err->offset);
}

/* --- stores ----------------------------------------------------------------------------------------------------------------- */

static void keep(void *ctx)
{
	(void)ctx;
}

void tool_store_wrap(struct tool_store *store, struct xd_io under)
{
	store->under = under;
	store->ops = *under.ops;
	store->ops.close = keep;
	store->io = (struct xd_io){&store->ops, under.ctx};
}

void tool_store_init(struct tool_store *store)
{
	struct xd_error err;
	struct xd_io io;

	OK(xd_io_open_memory(&io, &err));
	tool_store_wrap(store, io);
}

void tool_store_free(struct tool_store *store)
{
	store->under.ops->close(store->under.ctx);
}

void tool_store_copy(struct tool_store *to, const struct tool_store *from)
{
	uint64_t size = from->under.ops->size(from->under.ctx);
	uint8_t *all = malloc(size);

	assert_non_null(all);
	assert_int_equal(from->under.ops->pread(from->under.ctx, all, size, 0), 0);
	tool_store_init(to);
	assert_int_equal(to->under.ops->pwrite(to->under.ctx, all, size, 0), 0);
	free(all);
}

void tool_peek(struct tool_store *store, void *buf, size_t length, uint64_t offset)
{
	assert_int_equal(store->under.ops->pread(store->under.ctx, buf, length, offset), 0);
}

void tool_poke(struct tool_store *store, const void *buf, size_t length, uint64_t offset)
{
	assert_int_equal(store->under.ops->pwrite(store->under.ctx, buf, length, offset), 0);
}

/* --- images ----------------------------------------------------------------------------------------------------------------- */

static int open_parent(void *ctx, const char *path, uint32_t flags, struct xd_io *io,
		       struct xd_error *err)
{
	struct tool_store *parent = ctx;

	(void)path;
	(void)flags;
	(void)err;
	if (!parent)
		return XD_E_PARENT;
	*io = parent->io;
	return 0;
}

int tool_try_open(struct tool_store *store, struct tool_store *parent, uint32_t flags,
		  struct xd_image **image, struct xd_error *err)
{
	struct xd_open how = {
	    .format = XD_FORMAT_VHDX,
	    .flags = flags,
	    .io = store->io,
	    .open_parent = open_parent,
	    .open_parent_ctx = parent,
	};

	return xd_open_with(&how, image, err);
}

struct xd_image *tool_open(struct tool_store *store, struct tool_store *parent, uint32_t flags)
{
	struct xd_image *image;
	struct xd_error err;

	OK(tool_try_open(store, parent, flags, &image, &err));
	return image;
}

void tool_close(struct xd_image *image)
{
	struct xd_error err;

	OK(xd_close(image, &err));
}

void tool_create(struct tool_store *store, const struct tool_geometry *geometry,
		 struct xd_image *parent)
{
	struct xd_create how = {
	    .io = store->io,
	    .format = XD_FORMAT_VHDX,
	    .type = geometry->type,
	    .virtual_size = geometry->size,
	    .block_size = geometry->block,
	    .logical_sector = geometry->sector,
	    .parent = parent,
	    .parent_path = parent ? "parent.vhdx" : NULL,
	};
	struct xd_error err;

	OK(xd_create(&how, &err));
}

static void found(void *ctx, const struct xd_finding *finding)
{
	struct tool_findings *findings = ctx;
	size_t used = strlen(findings->names);

	snprintf(findings->names + used, sizeof(findings->names) - used, "%s ", finding->what);
}

void tool_check(struct tool_store *store, struct tool_store *parent, uint32_t check_flags,
		struct tool_findings *findings)
{
	uint32_t write = check_flags & XD_CHECK_REPAIR ? XD_OPEN_WRITE : 0;
	struct xd_image *image =
	    tool_open(store, parent, write | XD_OPEN_LENIENT | (parent ? 0 : XD_OPEN_NO_PARENTS));
	struct xd_error err;

	memset(findings, 0, sizeof(*findings));
	OK(xd_check(image, check_flags, found, findings, &findings->report, &err));
	tool_close(image);
}

void tool_assert_clean(struct tool_store *store, struct tool_store *parent)
{
	struct tool_findings findings;

	tool_check(store, parent, 0, &findings);
	if (findings.report.errors || findings.report.warnings)
		fail_msg("the image is not clean: %s", findings.names);
}

/* --- model ------------------------------------------------------------------------------------------------------------------ */

void tool_model_init(struct tool_model *model, uint64_t size, uint32_t sector, unsigned int seed)
{
	*model = (struct tool_model){calloc(1, size), size, sector, seed};
	assert_non_null(model->bytes);
}

void tool_model_free(struct tool_model *model)
{
	free(model->bytes);
}

uint64_t tool_random(struct tool_model *model, uint64_t below)
{
	uint64_t high = rand_r(&model->random);

	return (high << 31 | (uint64_t)rand_r(&model->random)) % below;
}

static void write_some(struct tool_model *model, struct xd_image *image, uint64_t offset,
		       uint64_t length)
{
	uint64_t cut = tool_random(model, length / 512) * 512;
	struct xd_error err;

	for (uint64_t i = 0; i < length; i++)
		model->bytes[offset + i] = rand_r(&model->random);
	struct iovec iov[2] = {{model->bytes + offset, cut},
			       {model->bytes + offset + cut, length - cut}};
	OK(xd_writev(image, iov, 2, offset, &err));
}

void tool_model_step(struct tool_model *model, struct xd_image *image)
{
	uint64_t sectors = model->size / model->sector;
	uint64_t first = tool_random(model, sectors), most = sectors - first;
	uint64_t small = 1 + tool_random(model, most < 300 ? most : 300);
	uint64_t large = 1 + tool_random(model, most);
	uint64_t offset = first * model->sector;
	struct xd_error err;

	switch (tool_random(model, 16)) {
	case 0: OK(xd_flush(image, &err)); break;
	case 1:
		OK(xd_zero(image, offset, large * model->sector, &err));
		memset(model->bytes + offset, 0, large * model->sector);
		break;
	case 2:
	case 3:
		OK(xd_zero(image, offset, small * model->sector, &err));
		memset(model->bytes + offset, 0, small * model->sector);
		break;
	case 4:
		OK(xd_discard(image, offset, large * model->sector, &err));
		OK(xd_zero(image, offset, large * model->sector, &err));
		memset(model->bytes + offset, 0, large * model->sector);
		break;
	default: write_some(model, image, offset, small * model->sector);
	}
}

void tool_model_verify(const struct tool_model *model, struct xd_image *image)
{
	uint8_t *got = malloc(model->size);
	struct xd_error err;

	assert_non_null(got);
	OK(xd_read(image, got, model->size, 0, &err));
	for (uint64_t i = 0; i < model->size; i++)
		if (got[i] != model->bytes[i])
			fail_msg("byte %llu is %02x, should be %02x", (unsigned long long)i, got[i],
				 model->bytes[i]);
	free(got);
}
