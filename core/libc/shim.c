/* SPDX-License-Identifier: MIT */
#include "core/libc/shim.h"

#include "core/kimage/lz4_block.h"

void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
	libc_shim_fatal("stack smashed in a decompressor");
}

/*
 * Symbols that the libraries' objects name and that unpacking never reaches. Naming them here also keeps whole
 * objects out of the image: what defines them in an archive is then not linked.
 */
static __attribute__((used)) void absent(void)
{
	libc_shim_fatal("a decompressor called a function that is absent");
}

#define ABSENT(symbol)     \
	void symbol(void); \
	__attribute__((alias("absent"))) void symbol(void)

/* libc: allocation without hooks; libbz2's stdio interface. */
ABSENT(malloc);
ABSENT(calloc);
ABSENT(free);
ABSENT(exit);
ABSENT(fopen64);
ABSENT(fdopen);
ABSENT(fclose);
ABSENT(fread);
ABSENT(fwrite);
ABSENT(fflush);
ABSENT(ferror);
ABSENT(fgetc);
ABSENT(fputc);
ABSENT(ungetc);
ABSENT(__fprintf_chk);
ABSENT(__ctype_b_loc);
void *stdin, *stdout, *stderr;

/* libbz2: its compressor. */
ABSENT(BZ2_compressBlock);

/* liblz4: lz4frame.o finds our block decoder in place of lz4.o, see core/kimage/lz4_block.h. */
int LZ4_decompress_safe_usingDict(const char *in, char *out, int in_size, int room,
				  const char *dict, int dict_size);
int LZ4_decompress_safe_usingDict(const char *in, char *out, int in_size, int room,
				  const char *dict, int dict_size)
{
	struct lz4_block block = {.in = (const unsigned char *)in,
				  .in_size = in_size,
				  .out = (unsigned char *)out,
				  .room = room,
				  .dict = (const unsigned char *)dict,
				  .dict_size = dict_size};

	return lz4_block_unpack(&block) == KIMAGE_OK ? (int)block.out_len : -1;
}

/* liblz4: the compression that lz4frame.o can use. */
ABSENT(LZ4_attach_dictionary);
ABSENT(LZ4_compress_fast_continue);
ABSENT(LZ4_compress_fast_extState_fastReset);
ABSENT(LZ4_initStream);
ABSENT(LZ4_loadDict);
ABSENT(LZ4_resetStream_fast);
ABSENT(LZ4_saveDict);
ABSENT(LZ4_sizeofState);
ABSENT(LZ4_attach_HC_dictionary);
ABSENT(LZ4_compress_HC_continue);
ABSENT(LZ4_compress_HC_extStateHC_fastReset);
ABSENT(LZ4_favorDecompressionSpeed);
ABSENT(LZ4_initStreamHC);
ABSENT(LZ4_loadDictHC);
ABSENT(LZ4_resetStreamHC_fast);
ABSENT(LZ4_saveDictHC);
ABSENT(LZ4_setCompressionLevel);
ABSENT(LZ4_sizeofStateHC);

/*
 * libzstd calls its tracing hooks where they exist. They are weak, but address 0 is out of a call's reach from where
 * the adapter is linked. No trace context: no end.
 */
unsigned long long ZSTD_trace_decompress_begin(const void *context);
unsigned long long ZSTD_trace_decompress_begin(const void *context)
{
	(void)context;
	return 0;
}
ABSENT(ZSTD_trace_decompress_end);

/* libzstd: formats from before 2016, which have other magic numbers. */
#define ABSENT_ZSTD(v)                               \
	ABSENT(ZBUFF##v##_createDCtx);               \
	ABSENT(ZBUFF##v##_decompressContinue);       \
	ABSENT(ZBUFF##v##_decompressInitDictionary); \
	ABSENT(ZBUFF##v##_freeDCtx);                 \
	ABSENT(ZSTD##v##_createDCtx);                \
	ABSENT(ZSTD##v##_decompress_usingDict);      \
	ABSENT(ZSTD##v##_findFrameSizeInfoLegacy);   \
	ABSENT(ZSTD##v##_freeDCtx);                  \
	ABSENT(ZSTD##v##_getFrameParams)
ABSENT_ZSTD(v05);
ABSENT_ZSTD(v06);
ABSENT_ZSTD(v07);
