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
#define EXIT_GROUP  94

// func start(nr, a1, a2 uintptr, l *List) int
TEXT ·start(SB), NOSPLIT|NOFRAME, $0-40
	MOVD nr+0(FP), R8
	MOVD a1+8(FP), R0
	MOVD a2+16(FP), R1
	MOVD l+24(FP), R20
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD ZR, R5
	SVC
	CBZ  R0, child
	MOVD R0, ret+32(FP)
	RET

	// From here on nothing may touch the stack: it is the parent's.
child:
	MOVD ZR, R21                // calls begun
	ADD  $LIST_CALLS, R20, R22  // the next
next:
	MOVD LIST_N(R20), R9
	CMP  R9, R21
	BHS  end
	ADD  $1, R21
	MOVD CALL_ARGS(R22), R0
	MOVD CALL_FROM(R22), R9
	CBZ  R9, given
	MOVWU (R9), R0
given:
	MOVD CALL_ARGS+8(R22), R1
	MOVD CALL_ARGS+16(R22), R2
	MOVD CALL_ARGS+24(R22), R3
	MOVD CALL_ARGS+32(R22), R4
	MOVD CALL_ARGS+40(R22), R5
	MOVD CALL_NR(R22), R8
	SVC
	MOVD R0, CALL_GOT(R22)
	MOVD CALL_LEAST(R22), R9
	CMP  R9, R0
	BLT  failed
	ADD  $CALL_SIZE, R22
	B    next
failed:
	MOVD R21, LIST_FAILED(R20)
end:
	MOVD $EXIT_GROUP, R8
	MOVD $1, R0
	SVC
	B    end
