#include "textflag.h"

#define CLONE_SETTLS 0x80000

// func start(flags, top, tls uintptr, t *Thread) (tid int)
TEXT ·start(SB), NOSPLIT|NOFRAME, $0-40
	MOVQ flags+0(FP), DI
	MOVQ top+8(FP), SI
	MOVQ tls+16(FP), R8
	MOVQ t+24(FP), R12
	ORQ  $CLONE_SETTLS, DI
	XORL DX, DX
	XORL R10, R10
	MOVL $56, AX                // clone
	SYSCALL
	TESTQ AX, AX
	JEQ  child
	MOVQ AX, tid+32(FP)
	RET

	// On a stack of its own. Where Go keeps its goroutine there is none: zero.
child:
	XORL BP, BP
	SUBQ $16, SP
	MOVQ R12, 0(SP)
	CALL ·serve(SB)
	INT  $3                     // it does not return

// func take(word *uint32) bool
TEXT ·take(SB), NOSPLIT, $0-9
	MOVQ word+0(FP), BX
	XORL AX, AX
	MOVL $1, CX
	LOCK
	CMPXCHGL CX, 0(BX)
	SETEQ ret+8(FP)
	RET

// func give(word *uint32)
TEXT ·give(SB), NOSPLIT, $0-8
	MOVQ word+0(FP), BX
	XORL AX, AX
	XCHGL AX, 0(BX)
	RET
