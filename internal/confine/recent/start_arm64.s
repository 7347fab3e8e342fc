#include "textflag.h"

// func start(flags, top, tls uintptr, t *Thread) (tid int)
TEXT ·start(SB), NOSPLIT|NOFRAME, $0-40
	MOVD flags+0(FP), R0
	MOVD top+8(FP), R1
	MOVD t+24(FP), R20
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $220, R8               // clone
	SVC
	CBZ  R0, child
	MOVD R0, tid+32(FP)
	RET

	// On a stack of its own. Where Go keeps its goroutine there is none: zero.
child:
	MOVD ZR, g
	MOVD ZR, R29
	SUB  $32, RSP
	MOVD R20, 8(RSP)
	CALL ·serve(SB)
	UNDEF                       // it does not return

// func take(word *uint32) bool
TEXT ·take(SB), NOSPLIT, $0-9
	MOVD word+0(FP), R0
	MOVD $1, R1
again:
	LDAXRW (R0), R2
	CBNZ R2, taken
	STLXRW R1, (R0), R3
	CBNZ R3, again
	MOVB R1, ret+8(FP)
	RET
taken:
	MOVB ZR, ret+8(FP)
	RET

// func give(word *uint32)
TEXT ·give(SB), NOSPLIT, $0-8
	MOVD word+0(FP), R0
	STLRW ZR, (R0)
	RET
