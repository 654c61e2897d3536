/* SPDX-License-Identifier: MIT */
/* Restores the FPU without end: what the lab's machine must bear beside a partition (docs/lab.md). */
int main(void)
{
	static char state[512] __attribute__((aligned(16)));

	__asm__ volatile("fxsave %0" : "=m"(state));
	for (;;)
		__asm__ volatile("fxrstor %0" : : "m"(state));
}
