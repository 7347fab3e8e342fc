package birth

// Those of package spec, which is initialised too late.
const (
	insideUID = 1000
	insideGID = 1000
)

// Of linux/capability.h, linux/prctl.h and linux/fcntl.h; package syscall is
// older than they are.
const (
	capVersion3       = 0x20080522
	capSetpcap        = 8
	capNetBindService = 10
	capNetAdmin       = 12
	capSysAdmin       = 21
	capSysResource    = 24

	prCapAmbient      = 47
	prCapAmbientRaise = 2
	atEmptyPath       = 0x1000
)
