#include "textflag.h"

#define CLONE 220

// enter is where the program begins, as the kernel leaves it: at RSP the number of
// words of the command line, above it where they are. Where the first is "run",
// something is begun; then the runtime begins, as if nothing had been.
TEXT ·enter(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVD 0(RSP), R0
	CMP  $2, R0
	BLT  runtime
	MOVD 16(RSP), R0
	MOVBU 0(R0), R1
	CMP  $0x72, R1              // "r"
	BNE  runtime
	MOVBU 1(R0), R1
	CMP  $0x75, R1              // "u"
	BNE  runtime
	MOVBU 2(R0), R1
	CMP  $0x6e, R1              // "n"
	BNE  runtime
	MOVBU 3(R0), R1
	CBNZ R1, runtime
	MOVD ZR, g
	SUB  $16, RSP               // where what is called keeps the way back
	CALL ·begin(SB)
	ADD  $16, RSP
runtime:
	B    _rt0_arm64_linux(SB)

// func start(flags, top, tls uintptr) (tid int)
TEXT ·start(SB), NOSPLIT|NOFRAME, $0-32
	MOVD flags+0(FP), R0
	MOVD top+8(FP), R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $CLONE, R8
	SVC
	CBZ  R0, thread
	MOVD R0, tid+24(FP)
	RET

	// On a stack of its own, without a goroutine.
thread:
	MOVD ZR, g
	SUB  $32, RSP
	CALL ·serve(SB)
	UNDEF                       // it does not return
