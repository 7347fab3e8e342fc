#include "textflag.h"

#define ARCH_PRCTL    158
#define ARCH_SET_FS   0x1002
#define CLONE         56
#define CLONE_SETTLS  0x80000

// enter is where the program begins, as the kernel leaves it: at SP the number of
// words of the command line, above it where they are. Where the first is "run",
// something is begun; then the runtime begins, as if nothing had been.
TEXT ·enter(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	CMPQ 0(SP), $2
	JLT  runtime
	MOVQ 16(SP), AX
	CMPL (AX), $0x006e7572      // "run" and its end
	JNE  runtime
	MOVL $ARCH_PRCTL, AX        // until the runtime does it
	MOVL $ARCH_SET_FS, DI
	LEAQ ·tls+32(SB), SI
	SYSCALL
	TESTQ AX, AX
	JNE  runtime
	CALL ·begin(SB)
runtime:
	JMP  _rt0_amd64_linux(SB)

// func start(flags, top, tls uintptr) (tid int)
TEXT ·start(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ flags+0(FP), DI
	MOVQ top+8(FP), SI
	MOVQ tls+16(FP), R8
	ORQ  $CLONE_SETTLS, DI
	XORL DX, DX
	XORL R10, R10
	MOVL $CLONE, AX
	SYSCALL
	TESTQ AX, AX
	JEQ  thread
	MOVQ AX, tid+24(FP)
	RET

	// On a stack of its own. Where Go keeps its goroutine there is none: zero.
thread:
	XORL BP, BP
	CALL ·serve(SB)
	INT  $3                     // it does not return
