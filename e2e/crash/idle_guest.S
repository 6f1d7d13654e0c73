// The smallest guest that QEMU boots by PVH: it writes one line to its serial port and halts forever. The crash harness
// kills it thousands of times, so it must cost no CPU time. It ignores the power button, so a stop takes its timeout.
        .section .note.Xen, "a", @note
        .align 4
        .long 4                 // length of the name
        .long 4                 // of the description
        .long 18                // XEN_ELFNOTE_PHYS32_ENTRY: 32-bit protected mode, paging off
        .asciz "Xen"
        .long entry

        .text
        .code32
        .globl entry
entry:
        mov $text, %esi
        mov $0x3f8, %dx         // COM1, which takes bytes as fast as QEMU is written to
1:      lodsb
        test %al, %al
        jz 2f
        out %al, (%dx)
        jmp 1b
2:      cli
        hlt
        jmp 2b
text:   .asciz "qarax idle guest\n"
