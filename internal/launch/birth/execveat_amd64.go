package birth

const sysExecveat = 322 // package syscall is older than it
