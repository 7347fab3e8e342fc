#include "textflag.h"

// The offsets are those of List and Call, see TestLayout.
#define LIST_N      0
#define LIST_FAILED 8
#define LIST_CALLS  16
#define CALL_NR     0
#define CALL_ARGS   8
#define CALL_FROM   56
#define CALL_LEAST  64
#define CALL_GOT    72
#define CALL_SIZE   80
#define EXIT_GROUP  231

// func start(nr, a1, a2 uintptr, l *List) int
TEXT ·start(SB), NOSPLIT|NOFRAME, $0-40
	MOVQ nr+0(FP), AX
	MOVQ a1+8(FP), DI
	MOVQ a2+16(FP), SI
	MOVQ l+24(FP), R12
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	XORL R9, R9
	SYSCALL
	TESTQ AX, AX
	JEQ  child
	MOVQ AX, ret+32(FP)
	RET

	// From here on nothing may touch the stack: it is the parent's.
child:
	XORL R13, R13               // calls begun
	LEAQ LIST_CALLS(R12), BX    // the next
next:
	CMPQ R13, LIST_N(R12)
	JCC  end
	INCQ R13
	MOVQ CALL_ARGS(BX), DI
	MOVQ CALL_FROM(BX), AX
	TESTQ AX, AX
	JEQ  given
	MOVL (AX), DI
given:
	MOVQ CALL_ARGS+8(BX), SI
	MOVQ CALL_ARGS+16(BX), DX
	MOVQ CALL_ARGS+24(BX), R10
	MOVQ CALL_ARGS+32(BX), R8
	MOVQ CALL_ARGS+40(BX), R9
	MOVQ CALL_NR(BX), AX
	SYSCALL
	MOVQ AX, CALL_GOT(BX)
	CMPQ AX, CALL_LEAST(BX)
	JLT  failed
	ADDQ $CALL_SIZE, BX
	JMP  next
failed:
	MOVQ R13, LIST_FAILED(R12)
end:
	MOVL $EXIT_GROUP, AX
	MOVL $1, DI
	SYSCALL
	JMP  end
