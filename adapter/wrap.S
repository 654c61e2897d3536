/* SPDX-License-Identifier: MIT */
/* See wrap.lds. build.mk says where the flat image is, how long the note is that it begins with, and its .bss. */

	.section .note.xen, "a", @note
	.incbin FLAT_IMAGE, 0, WRAP_NOTE_SIZE

	.section .image, "awx"
	.incbin FLAT_IMAGE, WRAP_NOTE_SIZE

	.section .bss, "aw", @nobits
	.skip	BSS_SIZE

	.section .note.GNU-stack, "", @progbits
